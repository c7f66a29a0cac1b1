package bucket

import (
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"a2alambda/internal/awscall"
)

// Of returns the configuration of a bucket for a configuration of the SDK, with its endpoint of S3,
// AWS_ENDPOINT_URL_S3 for example.
func Of(cfg aws.Config, name string) Config {
	c := Config{Name: name, Region: cfg.Region, Credentials: cfg.Credentials, Client: cfg.HTTPClient}
	c.Retryer, c.Endpoint = awscall.Retryer(cfg), awscall.Endpoint(cfg, "S3")
	return c
}

// base returns the URL of a bucket, with a slash at the end. A name with dots is not in the host,
// since AWS's certificates have no such names.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func base(c Config) string {
	if c.Endpoint != "" {
		return strings.TrimSuffix(c.Endpoint, "/") + "/" + c.Name + "/"
	}
	host := "s3." + c.Region + "." + awscall.Domain(c.Region)
	if strings.Contains(c.Name, ".") {
		return "https://" + host + "/" + c.Name + "/"
	}
	return "https://" + c.Name + "." + host + "/"
}

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// IsName reports whether a text can be a bucket's name, and so a part of a URL.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func IsName(text string) bool { return names.MatchString(text) }
