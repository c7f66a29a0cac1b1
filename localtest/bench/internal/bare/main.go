// Command bare is the smallest Lambda function in Go: no other can start sooner.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() {
	lambda.Start(func() error { return nil })
}
