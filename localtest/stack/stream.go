package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

const (
	// batchSize and lanes are BatchSize and ParallelizationFactor in template.yaml.
	batchSize = 100
	lanes     = 4

	// pollEvery is how often a shard is read, also by Lambda.
	pollEvery = 250 * time.Millisecond

	describeEvery = 2 * time.Second

	retryAfter = 200 * time.Millisecond
)

// stream is the event source mapping of the table's stream. It invokes the push function for the
// changes that pass the filter, in the order of each task. If the function fails on a batch, the
// batch is halved and tried again, until the function succeeds.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
type stream struct {
	client *dynamodbstreams.Client
	arn    string
	call   func(payload []byte) error
	log    io.Writer
	lanes  [lanes]chan events.DynamoDBEventRecord
	group  sync.WaitGroup
}

// startStream turns on the table's stream, and reads it until ctx is done.
func startStream(ctx context.Context, endpoint, table string, call func([]byte) error, log io.Writer) (*stream, error) {
	keys := credentials.NewStaticCredentialsProvider("local", "local", "")
	client := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: keys})
	_, err := client.UpdateTable(ctx, &dynamodb.UpdateTableInput{
		TableName:           &table,
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	})
	var described *dynamodb.DescribeTableOutput
	if err == nil {
		described, err = client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	}
	if err != nil {
		return nil, fmt.Errorf("stack: enabling the stream: %w", err)
	}
	s := &stream{
		client: dynamodbstreams.New(dynamodbstreams.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: keys}),
		arn:    aws.ToString(described.Table.LatestStreamArn),
		call:   call,
		log:    log,
	}
	for i := range s.lanes {
		s.lanes[i] = make(chan events.DynamoDBEventRecord, batchSize)
		s.group.Go(func() { s.deliver(ctx, s.lanes[i]) })
	}
	s.group.Go(func() { s.follow(ctx) })
	return s, nil
}

// follow reads the shards, each after its parent.
func (s *stream) follow(ctx context.Context) {
	read := map[string]chan struct{}{} // closed when the shard has been read
	for ctx.Err() == nil {
		out, err := s.client.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &s.arn})
		if err != nil {
			s.fail(ctx, "describing the stream", err)
		} else {
			for _, shard := range out.StreamDescription.Shards {
				id := *shard.ShardId
				if read[id] != nil {
					continue
				}
				done, parent := make(chan struct{}), read[aws.ToString(shard.ParentShardId)]
				read[id] = done
				s.group.Go(func() {
					defer close(done)
					if parent != nil {
						<-parent
					}
					s.read(ctx, id)
				})
			}
		}
		sleep(ctx, describeEvery)
	}
}

func (s *stream) read(ctx context.Context, shard string) {
	var at *string // the iterator
	last := ""     // the last record
	for ctx.Err() == nil {
		if at == nil {
			in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &s.arn, ShardId: &shard, ShardIteratorType: streams.ShardIteratorTypeTrimHorizon}
			if last != "" {
				in.ShardIteratorType, in.SequenceNumber = streams.ShardIteratorTypeAfterSequenceNumber, &last
			}
			out, err := s.client.GetShardIterator(ctx, in)
			if err != nil {
				s.fail(ctx, "reading the stream", err)
				sleep(ctx, pollEvery)
				continue
			}
			at = out.ShardIterator
		}
		out, err := s.client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: at})
		if err != nil {
			if trimmed := (*streams.TrimmedDataAccessException)(nil); errors.As(err, &trimmed) {
				last = "" // goes back to the oldest record; some may come again
			} else {
				s.fail(ctx, "reading the stream", err)
			}
			at = nil
			sleep(ctx, pollEvery)
			continue
		}
		for _, r := range out.Records {
			last = *r.Dynamodb.SequenceNumber
			record := s.record(r)
			if !passes(record) {
				continue
			}
			h := fnv.New32a()
			_, _ = h.Write([]byte(record.Change.Keys["pk"].String()))
			select {
			case s.lanes[h.Sum32()%lanes] <- record:
			case <-ctx.Done():
			}
		}
		if at = out.NextShardIterator; at == nil {
			return
		}
		if len(out.Records) == 0 {
			sleep(ctx, pollEvery)
		}
	}
}

// deliver invokes the function for the records of a lane, in batches of what is there.
func (s *stream) deliver(ctx context.Context, lane <-chan events.DynamoDBEventRecord) {
	for {
		var batch []events.DynamoDBEventRecord
		select {
		case r := <-lane:
			batch = append(batch, r)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(batch) < batchSize; {
			select {
			case r := <-lane:
				batch = append(batch, r)
			default:
				more = false
			}
		}
		s.invoke(ctx, batch)
	}
}

func (s *stream) invoke(ctx context.Context, batch []events.DynamoDBEventRecord) {
	for ctx.Err() == nil {
		payload, err := json.Marshal(events.DynamoDBEvent{Records: batch})
		if err == nil {
			err = s.call(payload)
		}
		if err == nil {
			return
		}
		s.fail(ctx, fmt.Sprintf("a batch of %d", len(batch)), err)
		sleep(ctx, retryAfter)
		if n := len(batch); n > 1 {
			s.invoke(ctx, batch[:n/2])
			batch = batch[n/2:]
		}
	}
}

func (s *stream) fail(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(s.log, "stream: %s: %v\n", what, err)
	}
}

// record returns the record as in an event.
func (s *stream) record(r streams.Record) events.DynamoDBEventRecord {
	return events.DynamoDBEventRecord{
		AWSRegion:      aws.ToString(r.AwsRegion),
		EventID:        aws.ToString(r.EventID),
		EventName:      string(r.EventName),
		EventSource:    aws.ToString(r.EventSource),
		EventVersion:   aws.ToString(r.EventVersion),
		EventSourceArn: s.arn,
		Change: events.DynamoDBStreamRecord{
			ApproximateCreationDateTime: events.SecondsEpochTime{Time: aws.ToTime(r.Dynamodb.ApproximateCreationDateTime)},
			Keys:                        attributes(r.Dynamodb.Keys),
			NewImage:                    attributes(r.Dynamodb.NewImage),
			SequenceNumber:              aws.ToString(r.Dynamodb.SequenceNumber),
			SizeBytes:                   aws.ToInt64(r.Dynamodb.SizeBytes),
			StreamViewType:              string(r.Dynamodb.StreamViewType),
		},
	}
}

// attributes converts the kinds of values that the table has.
func attributes(from map[string]streams.AttributeValue) map[string]events.DynamoDBAttributeValue {
	to := make(map[string]events.DynamoDBAttributeValue, len(from))
	for name, v := range from {
		switch v := v.(type) {
		case *streams.AttributeValueMemberS:
			to[name] = events.NewStringAttribute(v.Value)
		case *streams.AttributeValueMemberN:
			to[name] = events.NewNumberAttribute(v.Value)
		case *streams.AttributeValueMemberB:
			to[name] = events.NewBinaryAttribute(v.Value)
		}
	}
	return to
}

// Filter is FilterCriteria in template.yaml.
const Filter = `{"dynamodb":{"NewImage":{"p":{"N":["1"]}}}}`

func passes(r events.DynamoDBEventRecord) bool {
	var pattern, record any
	data, err := json.Marshal(r)
	if err := errors.Join(err, json.Unmarshal(data, &record), json.Unmarshal([]byte(Filter), &pattern)); err != nil {
		panic(err)
	}
	return matches(pattern, record)
}

// matches reports whether a value matches a pattern. An object matches by all the pattern's keys;
// any other value must be in the pattern's list.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
func matches(pattern, value any) bool {
	switch p := pattern.(type) {
	case map[string]any:
		object, ok := value.(map[string]any)
		for key, sub := range p {
			ok = ok && matches(sub, object[key])
		}
		return ok
	case []any:
		for _, one := range p {
			if one == value {
				return true
			}
		}
	}
	return false
}

// sleep waits, at most until the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
