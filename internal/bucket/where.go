package bucket

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Of returns the configuration of a bucket for a configuration of the SDK, with its endpoint of S3,
// AWS_ENDPOINT_URL_S3 for example.
func Of(cfg aws.Config, name string) Config {
	c := Config{Name: name, Region: cfg.Region, Credentials: cfg.Credentials, Client: cfg.HTTPClient}
	if cfg.Retryer != nil {
		c.Retryer, _ = cfg.Retryer().(aws.RetryerV2)
	}
	if c.Retryer == nil && cfg.RetryMaxAttempts > 0 {
		c.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = cfg.RetryMaxAttempts })
	}
	if cfg.BaseEndpoint != nil {
		c.Endpoint = *cfg.BaseEndpoint
	}
	// As the SDK's clients do it.
	for _, source := range cfg.ConfigSources {
		if p, ok := source.(interface {
			GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
		}); ok {
			if ignore, found, err := p.GetIgnoreConfiguredEndpoints(context.Background()); err == nil && found && ignore {
				return c
			}
		}
	}
	for _, source := range cfg.ConfigSources {
		if p, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		}); ok {
			if endpoint, found, err := p.GetServiceBaseEndpoint(context.Background(), "S3"); err == nil && found {
				c.Endpoint = endpoint
				break
			}
		}
	}
	return c
}

// base returns the URL of a bucket, with a slash at the end. A name with dots is not in the host,
// since AWS's certificates have no such names.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func base(c Config) string {
	if c.Endpoint != "" {
		return strings.TrimSuffix(c.Endpoint, "/") + "/" + c.Name + "/"
	}
	host := "s3." + c.Region + "." + Domain(c.Region)
	if strings.Contains(c.Name, ".") {
		return "https://" + host + "/" + c.Name + "/"
	}
	return "https://" + c.Name + "." + host + "/"
}

// Domain returns the end of the names of AWS's hosts in a region.
func Domain(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "amazonaws.com.cn"
	case strings.HasPrefix(region, "eusc-"):
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// IsName reports whether a text can be a bucket's name, and so a part of a URL.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func IsName(text string) bool { return names.MatchString(text) }
