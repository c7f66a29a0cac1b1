package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"a2alambda/internal/check"
	"a2alambda/internal/lambdaenv"
)

// checkDeployment is the command "agent check URL".
func checkDeployment(args []string, out io.Writer) error {
	var c check.Config
	flags := flag.NewFlagSet("check", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Usage: agent check [flags] URL\n\nTries the agent at the URL as a client would, and tells what works there. It sends the agent messages, which costs\nwhat a few messages cost. The exit status is 0 if all holds; what a front door cannot do is told, and is no failure.\n\nThe checks: %s.\n\n", strings.Join(check.Names(), ", "))
		flags.PrintDefaults()
	}
	token := flags.String("token", "", "bearer `token` that is sent")
	sign := flags.Bool("sign", false, "sign requests with the AWS credentials at hand")
	need := flags.String("need", "", "`names` of checks that must be ok, comma-separated: not just not failed")
	listen := flags.String("listen", "", "`address` where this command receives the notifications that are posted to -push, such as :8080")
	flags.StringVar(&c.Push, "push", "", "`URL` at which the agent can post push notifications")
	flags.StringVar(&c.Message, "message", "Stream me a response!", "`text` that the agent is told; its answer should take seconds")
	flags.DurationVar(&c.Long, "long", 35*time.Second, "how long a silent stream is held open; 0 leaves it out")
	_ = flags.Parse(args) // it exits
	if flags.NArg() != 1 {
		flags.Usage()
		return errors.New("one URL is needed")
	}
	c.URL = flags.Arg(0)
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is no http or https URL", c.URL)
	}
	if *need != "" {
		c.Need = strings.Split(*need, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case *token != "" && *sign:
		return errors.New("-token and -sign exclude each other")
	case *token != "":
		c.Authorize = func(r *http.Request, _ []byte) error { r.Header.Set("Authorization", "Bearer "+*token); return nil }
	case *sign:
		var err error
		if c.Authorize, err = signer(ctx); err != nil {
			return err
		}
	}
	if *listen != "" {
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return fmt.Errorf("-listen: %w", err)
		}
		defer l.Close()
		c.Receiver = l
	}
	return check.Run(ctx, c, out)
}

// signer returns a function that signs requests with AWS Signature Version 4, for the host's
// service and region.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func signer(ctx context.Context) (func(*http.Request, []byte) error, error) {
	cfg, err := lambdaenv.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("-sign: %w", err)
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, errors.New("-sign needs AWS credentials, and there are none: set AWS_PROFILE")
	}
	return func(r *http.Request, body []byte) error {
		service, region := signedFor(r.URL.Hostname(), cfg)
		hash := sha256.Sum256(body)
		sum := hex.EncodeToString(hash[:])
		r.Header.Set("X-Amz-Content-Sha256", sum)
		return v4.NewSigner().SignHTTP(ctx, credentials, r, sum, service, region, time.Now())
	}, nil
}

// signedFor returns the service and region of a host such as id.lambda-url.eu-west-1.on.aws or
// id.execute-api.eu-west-1.amazonaws.com.
func signedFor(host string, cfg aws.Config) (service, region string) {
	if labels := strings.Split(host, "."); len(labels) > 3 {
		switch labels[1] {
		case "lambda-url":
			return "lambda", labels[2]
		case "execute-api":
			return "execute-api", labels[2]
		}
	}
	return "lambda", cfg.Region
}
