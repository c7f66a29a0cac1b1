package functionurl

import (
	"cmp"
	"context"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
)

type iamUserKey struct{}

func withIAMUser(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, iamUserKey{}, id)
}

// IAMUser returns the unique id of the IAM principal that signed r. It is "" for an unsigned
// request, and for one that did not come through this package.
//
//	user                      AIDA…
//	assumed role              AROA…:<session name>
//	root user                 <account>
//	Cognito identity pool     <region>:<UUID>; by a function URL AROA…:<session name>
//
// AWS has verified it. It comes from the event's context, never from a header:
// authorizer.iam.userId of a function URL and an HTTP API, and identity.user of a REST API. All
// members of an identity pool assume the same role under the same session name, so the identity's
// own id is taken where the event has it.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html and
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
func IAMUser(r *http.Request) string {
	id, _ := r.Context().Value(iamUserKey{}).(string)
	return id
}

func urlSigned(ev *events.LambdaFunctionURLRequest) bool {
	return ev.RequestContext.Authorizer != nil && ev.RequestContext.Authorizer.IAM != nil
}

func urlIAMUser(ev *events.LambdaFunctionURLRequest) string {
	if !urlSigned(ev) {
		return ""
	}
	return ev.RequestContext.Authorizer.IAM.UserID
}

func restIAMUser(ev *events.APIGatewayProxyRequest) string {
	identity := &ev.RequestContext.Identity
	return cmp.Or(identity.CognitoIdentityID, identity.User)
}

func httpIAMUser(ev *events.APIGatewayV2HTTPRequest) string {
	if ev.RequestContext.Authorizer == nil || ev.RequestContext.Authorizer.IAM == nil {
		return ""
	}
	iam := ev.RequestContext.Authorizer.IAM
	return cmp.Or(iam.CognitoIdentity.IdentityID, iam.UserID)
}
