package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Grant is one permission of a role.
type Grant struct {
	Role      string // name in the template
	Action    string // such as dynamodb:Query
	Resource  string
	Condition string // JSON; empty if there is none
	By        string // the resource in the template that grants it
}

func (g Grant) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s may %s on %s %s", g.Role, g.Action, g.Resource, g.Condition))
}

// managed has the permissions of AWS's own policies, which SAM or the template gives to roles.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
var managed = map[string][]string{
	"AWSLambdaBasicExecutionRole": {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"},
	// CodeDeploy's, for all aliases and alarms.
	"AWSCodeDeployRoleForLambda":           {"codedeploy"},
	"AWSCodeDeployRoleForLambdaLimited":    {"codedeploy"},
	"AmazonAPIGatewayPushToCloudWatchLogs": {"logs"},
	"AWSLambdaDynamoDBExecutionRole":       {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "dynamodb:GetRecords"},
	"AWSLambdaManagedEC2ResourceOperator":  {"ec2"},
	"AWSXRayDaemonWriteAccess":             {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
}

// Grants returns what the roles of a stack may do. What is granted twice is there twice.
func (s *Stack) Grants() []Grant {
	var grants []Grant
	for name, r := range s.Resources {
		switch r.Type {
		case "AWS::IAM::Role":
			for _, policy := range objects(r.Properties["Policies"]) {
				grants = append(grants, statements(name, name, policy["PolicyDocument"])...)
			}
			for _, arn := range names(r.Properties["ManagedPolicyArns"]) {
				policy := arn[strings.LastIndexByte(arn, '/')+1:]
				actions, ok := managed[policy]
				if !ok {
					actions = []string{policy}
				}
				for _, action := range actions {
					grants = append(grants, Grant{Role: name, Action: action, Resource: "*", By: name})
				}
			}
		case "AWS::IAM::RolePolicy":
			grants = append(grants, statements(role(r.Properties["RoleName"]), name, r.Properties["PolicyDocument"])...)
		case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy":
			for _, of := range names(r.Properties["Roles"]) {
				grants = append(grants, statements(role(of), name, r.Properties["PolicyDocument"])...)
			}
		}
	}
	slices.SortFunc(grants, func(a, b Grant) int { return cmp.Or(cmp.Compare(a.String(), b.String()), cmp.Compare(a.By, b.By)) })
	return grants
}

// statements returns what a policy document allows.
func statements(role, by string, document any) []Grant {
	object, _ := document.(map[string]any)
	all := objects(object["Statement"])
	if one, ok := object["Statement"].(map[string]any); ok {
		all = []map[string]any{one}
	}
	var grants []Grant
	for _, statement := range all {
		condition := ""
		if c, ok := statement["Condition"]; ok {
			text, err := json.Marshal(c)
			if err != nil {
				panic(err) // it was JSON
			}
			condition = string(text)
		}
		if statement["Effect"] != "Allow" {
			grants = append(grants, Grant{Role: role, Action: "not a statement that allows", Condition: condition, By: by})
			continue
		}
		for _, action := range names(statement["Action"]) {
			for _, resource := range names(statement["Resource"]) {
				grants = append(grants, Grant{role, action, resource, condition, by})
			}
		}
	}
	return grants
}

func objects(value any) []map[string]any {
	list, _ := value.([]any)
	var all []map[string]any
	for _, item := range list {
		if object, ok := item.(map[string]any); ok {
			all = append(all, object)
		}
	}
	return all
}

// role returns a role's name from a reference to it: ${Name}, or ${Name.Arn}.
func role(value any) string {
	if m := reference.FindStringSubmatch(fmt.Sprint(value)); m != nil {
		return m[1]
	}
	return fmt.Sprint(value)
}

// RoleOf returns the name of a function's role.
func (s *Stack) RoleOf(function string) string { return role(s.Resources[function].Properties["Role"]) }

// Users returns the functions and AWS's services with a role, sorted.
func (s *Stack) Users(of string) []string {
	var all []string
	for name, r := range s.Resources {
		for _, property := range []string{"Role", "ServiceRoleArn", "RoleArn"} {
			if value, ok := r.Properties[property]; ok && role(value) == of {
				all = append(all, name)
			}
		}
		if target, ok := r.Properties["Target"].(map[string]any); ok && role(target["RoleArn"]) == of {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// Alias returns the alias of a function's versions, or "".
func (s *Stack) Alias(function string) string {
	for _, name := range s.Of("AWS::Lambda::Alias") {
		if role(s.Resources[name].Properties["FunctionName"]) == function {
			return name
		}
	}
	return ""
}

// Unordered returns the errors in the order of permission changes. A function's old version is in
// use until its alias moves (without an alias: until the function changes). Until then it must keep
// its permissions. The new version must have its own before it is in use.
func Unordered(from, to *Stack) []string {
	var wrong []string
	changes := map[string]Change{}
	for _, c := range Compare(from, to) {
		changes[c.Name] = c
	}
	key := func(g Grant) string { return g.String() }
	had, has := map[string][]Grant{}, map[string][]Grant{}
	for _, g := range from.Grants() {
		had[key(g)] = append(had[key(g)], g)
	}
	for _, g := range to.Grants() {
		has[key(g)] = append(has[key(g)], g)
	}
	check := func(g Grant, what string, right func(c Change, anchor string) bool) {
		for _, user := range to.Users(g.Role) {
			anchor := cmp.Or(to.Alias(user), user)
			if c := changes[g.By]; !right(c, anchor) {
				wrong = append(wrong, fmt.Sprintf("%s %s: %s is %s, %s %s", g, what, g.By, c.Kind, c.When(to, anchor), anchor))
			}
		}
	}
	for of, grants := range had {
		if has[of] == nil {
			check(grants[0], "no longer", func(c Change, anchor string) bool {
				return c.Kind == Removed || c.Kind == Replaced || c.When(to, anchor) == After
			})
		}
	}
	for of, grants := range has {
		if had[of] == nil {
			check(grants[0], "now", func(c Change, anchor string) bool { return c.When(to, anchor) == Before })
		}
	}
	slices.Sort(wrong)
	return wrong
}
