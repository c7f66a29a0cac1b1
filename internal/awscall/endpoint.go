package awscall

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Endpoint returns the endpoint that the configuration has of a service, by its id, such as S3, or
// "": AWS_ENDPOINT_URL_S3 for example. It is found as the SDK's clients find it.
func Endpoint(cfg aws.Config, service string) string {
	endpoint := ""
	if cfg.BaseEndpoint != nil {
		endpoint = *cfg.BaseEndpoint
	}
	for _, source := range cfg.ConfigSources {
		if p, ok := source.(interface {
			GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
		}); ok {
			if ignore, found, err := p.GetIgnoreConfiguredEndpoints(context.Background()); err == nil && found && ignore {
				return endpoint
			}
		}
	}
	for _, source := range cfg.ConfigSources {
		if p, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		}); ok {
			if of, found, err := p.GetServiceBaseEndpoint(context.Background(), service); err == nil && found {
				return of
			}
		}
	}
	return endpoint
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
