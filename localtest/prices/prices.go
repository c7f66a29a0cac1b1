// Package prices has what AWS asks for, in US dollars: of us-east-1, on demand, without the free
// tier and without tiers for large use, as of [Date]. They are as other sources give them, and not
// checked against AWS's pages, which are named beside them.
package prices

import "a2alambda/localtest/emulator"

// Date is when the prices were looked up.
const Date = "2026-11-27"

// https://aws.amazon.com/lambda/pricing/
const (
	LambdaARM     = 0.0000133334 // a GB-second of Lambda on arm64, of 1,024 MB
	LambdaX86     = 0.0000166667 // the same on x86_64
	LambdaRequest = 0.20 / 1e6   // an invocation
	LambdaStream  = 0.008        // a GB of a streamed answer, after its first 6 MB
)

// https://aws.amazon.com/dynamodb/pricing/on-demand/
const (
	Write  = 0.625 / 1e6 // a write unit of DynamoDB
	Read   = 0.125 / 1e6 // a read unit
	Stored = 0.45        // a GB in the table for a month, with point-in-time recovery
)

// https://aws.amazon.com/s3/pricing/
const (
	Put  = 5.00 / 1e6 // a PUT of S3
	Get  = 0.40 / 1e6 // a GET
	Kept = 0.023      // a GB in a bucket for a month
)

const (
	Leaving = 0.09       // a GB that leaves AWS: https://aws.amazon.com/ec2/pricing/on-demand/
	Log     = 0.50       // a GB of log: https://aws.amazon.com/cloudwatch/pricing/
	API     = 3.50 / 1e6 // a request to a REST API: https://aws.amazon.com/api-gateway/pricing/
)

// Lambda returns the price of what Lambda bills for, on arm64 or, if x86 is set, on x86_64.
func Lambda(u emulator.Usage, x86 bool) float64 {
	second := LambdaARM
	if x86 {
		second = LambdaX86
	}
	return float64(u.Invocations)*LambdaRequest + u.GBSeconds*second
}
