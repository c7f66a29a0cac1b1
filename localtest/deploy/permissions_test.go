package deploy_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

// services are the roles that no function has, with their use.
var services = map[string]string{
	"SweeperFunctionEachMinuteRole": "SweeperFunctionEachMinuteRole may lambda:InvokeFunction on ${SweeperFunction.Arn}",
	"CodeDeployServiceRole":         "CodeDeployServiceRole may codedeploy on *",
	"ProviderRole":                  "ProviderRole may ec2 on *",
}

// TestPermissions compares each role's permissions with what its function does, for each set of
// parameters: none is missing, too much, or granted twice.
func TestPermissions(t *testing.T) {
	template := expanded(t)
	withModel := deploy.Parameters{"Auth": "none", "Agent": "model", "ModelUrl": "bedrock", "ModelId": deploy.Model, "Guardrail": deploy.Guardrail + "/1"}
	elsewhere := deploy.Parameters{"Auth": "none", "Agent": "model", "ModelUrl": "https://api.example.com/v1", "ModelId": "m", "AgentConfig": deploy.AgentConfig + ":3"}
	with := func(names ...string) deploy.Parameters {
		p := deploy.Parameters{"Auth": "iam", "Production": "yes", "MaxConcurrency": "100", "MaxUnits": "4000"}
		for i := 0; i < len(names); i += 2 {
			p[names[i]] = names[i+1]
		}
		return p
	}
	for _, parameters := range append(bases(), withModel, elsewhere, with("Callbacks", "5"), with("LargeBodies", "bucket"), with("LargeBodies", "bucket-read"),
		with("Callbacks", "5", "LargeBodies", "bucket"), with("Callbacks", "0", "LargeBodies", "bucket-read"),
		with("CapacitySubnets", "subnet-0a1b2c3d", "CapacitySecurityGroups", "sg-0a1b2c3d", "MaxManaged", "10")) {
		holds := map[string]bool{
			"HasModel": parameters["Agent"] == "bedrock" || parameters["ModelUrl"] == "bedrock", "HasGuardrail": parameters["Guardrail"] != "", "HasAgentConfig": parameters["AgentConfig"] != "",
			"HasCallbacks": parameters["Callbacks"] != "",
			"HasBucket":    strings.HasPrefix(parameters["LargeBodies"], "bucket"), "FillsBucket": parameters["LargeBodies"] == "bucket",
		}
		s := stackOf(t, template, parameters)
		may, does := map[string]int{}, map[string][]string{}
		for _, g := range s.Grants() {
			g.Condition = ""
			may[strings.TrimSpace(g.String())]++
		}
		functions := s.Of("AWS::Lambda::Function")
		for _, n := range deploy.Needs {
			if slices.ContainsFunc(strings.Fields(n.When), func(condition string) bool { return !holds[condition] }) {
				continue
			}
			if !slices.Contains(functions, n.Function) {
				t.Fatalf("there is no %s", n.Function)
			}
			g := deploy.Grant{Role: s.RoleOf(n.Function), Action: n.Action, Resource: n.Place(s)}
			does[strings.TrimSpace(g.String())] = n.By
		}
		for role, may := range services {
			if s.Resources[role] != nil {
				does[may] = []string{"AWS"}
			}
		}
		for what, by := range does {
			switch may[what] {
			case 0:
				t.Errorf("%v: not allowed, but needed by %s: %s", parameters, strings.Join(by, ", "), what)
			case 1:
			default:
				t.Errorf("%v: allowed %d times: %s", parameters, may[what], what)
			}
		}
		for _, what := range slices.Sorted(maps.Keys(may)) {
			if does[what] == nil {
				t.Errorf("%v: allowed, but nobody does it: %s", parameters, what)
			}
		}
	}
}

// notDeployed are functions that no deployed function calls: the template makes the table.
var notDeployed = []string{"dynamolog.Schema", "dynamolog.CreateTable"}

// TestCallers compares the callers in Needs with the requests that functions in the source make.
func TestCallers(t *testing.T) {
	named, made := map[string]bool{}, map[string]bool{}
	for _, n := range deploy.Needs {
		for _, by := range n.By {
			if !strings.Contains(by, ":") {
				named[n.Action+" by "+by] = true
			}
		}
	}
	for _, dir := range []string{"internal", "functions"} {
		err := filepath.WalkDir(filepath.Join(deploy.Root(t), dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			for action, by := range requests(file) {
				for _, by := range by {
					if !slices.Contains(notDeployed, by) {
						made[action+" by "+by] = true
					}
				}
			}
			return nil
		})
		localtest.Must(t, err)
	}
	for what := range named {
		if !made[what] {
			t.Errorf("in Needs, but not in the source: %s", what)
		}
	}
	for what := range made {
		if !named[what] {
			t.Errorf("in the source, but not in Needs: %s", what)
		}
	}
}

// packages are the SDK's packages, with IAM's names of their services. actions are the actions
// whose names differ from their operations'; a transaction needs those of its writes.
var (
	packages = map[string]string{"dynamodb": "dynamodb", "lambda": "lambda", "codedeploy": "codedeploy", "bedrockruntime": "bedrock", "sqs": "sqs"}
	actions  = map[string]string{
		"lambda:Invoke":                  "lambda:InvokeFunction",
		"bedrock:ConverseStream":         "bedrock:InvokeModelWithResponseStream",
		"dynamodb:BatchExecuteStatement": "dynamodb:PartiQLInsert", // dynamolog's statements
	}
	objects = map[string]string{"Put": "s3:PutObject", "Get": "s3:GetObject"} // by methods of package bucket, which have four arguments
	writes  = map[string]string{"types.Put": "dynamodb:PutItem", "types.Update": "dynamodb:UpdateItem", "types.Delete": "dynamodb:DeleteItem"}
)

// requests returns the functions in a file that make requests of the SDK, of package bucket, or of
// package parameter, by action.
func requests(file *ast.File) map[string][]string {
	imported := map[string]string{} // by name in the file
	usesBucket := false
	for _, i := range file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		usesBucket = usesBucket || path == "a2alambda/internal/bucket"
		if service, ok := strings.CutPrefix(path, "github.com/aws/aws-sdk-go-v2/service/"); ok && !strings.Contains(service, "/") {
			name := service
			if i.Name != nil {
				name = i.Name.Name
			}
			imported[name] = service
		}
	}
	found := map[string][]string{}
	for _, declared := range file.Decls {
		f, ok := declared.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if of, ok := call.Fun.(*ast.SelectorExpr); ok {
					action := ""
					if usesBucket && len(call.Args) == 4 {
						action = objects[of.Sel.Name]
					}
					if fmt.Sprint(of.X, ".", of.Sel) == "parameter.Read" {
						action = "ssm:GetParameter"
					}
					if action != "" {
						found[action] = append(found[action], file.Name.Name+"."+f.Name.Name)
					}
				}
			}
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			of, ok := literal.Type.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if action, ok := writes[fmt.Sprint(of.X)+"."+of.Sel.Name]; ok {
				found[action] = append(found[action], file.Name.Name+"."+f.Name.Name)
			}
			service, ok := imported[fmt.Sprint(of.X)]
			operation, isInput := strings.CutSuffix(of.Sel.Name, "Input")
			if !ok || !isInput || operation == "TransactWriteItems" {
				return true
			}
			action := packages[service] + ":" + operation
			if other, ok := actions[action]; ok {
				action = other
			}
			found[action] = append(found[action], file.Name.Name+"."+f.Name.Name)
			return true
		})
	}
	return found
}
