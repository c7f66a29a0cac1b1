// Command bare is the least Lambda function in Go: what none can be quicker to start, or smaller, than.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() {
	lambda.Start(func() error { return nil })
}
