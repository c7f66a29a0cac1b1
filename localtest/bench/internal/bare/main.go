// Command bare is the least Lambda function in Go: none can be smaller, or start sooner.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() {
	lambda.Start(func() error { return nil })
}
