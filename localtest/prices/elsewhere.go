package prices

// What other ways to host an agent cost in us-east-1, on Linux and arm64. The pages that name these
// prices are not AWS's own, but for the last, which is a transcript of one.
const (
	// "AWS Fargate Pricing Explained", https://www.vantage.sh/blog/fargate-pricing
	FargateCPU    = 0.03238 // a vCPU-hour
	FargateMemory = 0.00356 // a GB-hour

	// "ALB: the line item nobody watches" (2026-05-08),
	// https://cloud-horizons.com/blog/alb-the-line-item-nobody-watches/
	BalancerHour = 0.0225 // an Application Load Balancer for an hour
	BalancerUnit = 0.008  // a capacity unit for an hour: 25 new connections a second, or 1 GB an hour

	// "Amazon Bedrock AgentCore Runtime" (from AWS's documentation as of 2026-05-03),
	// https://elliot-digital.co.uk/cloud/bedrock-agentcore
	AgentCoreCPU    = 0.0895  // an hour of a vCPU that is in use
	AgentCoreMemory = 0.00945 // a GB-hour, of the most that is in use, from the beginning of a session to its end

	// "Amazon EC2 On-Demand Pricing" (2026-06-17),
	// https://www.factualminds.com/blog/amazon-ec2-on-demand-pricing-instance-families-2026/
	M7gLarge = 0.0816 // an hour of an m7g.large: 2 vCPU, 8 GB

	// "Lambda Managed Instances: A Working Demo and the Math Behind It",
	// https://edjgeek.com/blog/lambda-managed-instances/
	Management = 0.15 // of EC2's on-demand price, on top of it; a request costs as on Lambda

	// "aws lambda plans pricing", of https://aws.amazon.com/lambda/pricing/ as of 2026-09-20,
	// https://raw.githubusercontent.com/api-evangelist/aws-lambda/refs/heads/main/plans/aws-lambda-plans-pricing.yml
	DurableOperation = 8.00 / 1e6 // an operation of a durable function; its data costs more
)
