"""Starts ministack, an AWS account on this machine, and bridges what it lacks for template.yaml.

Each bridge is in ministack, so that the template is deployed as it is. It says what AWS does and ministack does not, and is
printed as it is put in place. It fails where ministack is not as it expects: where a gap is closed, the bridge has to go.
"""

import json
import re
import sys
import uuid

import boto3
import botocore.config
import ministack.app
from ministack.core import lambda_runtime
from ministack.core.iam_evaluator import resolve_caller_identity
from ministack.core.router import extract_access_key_id
from ministack.services import apigateway_v1, lambda_svc
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks


def split_in_conditions():
    "Fn::Split in Conditions: ministack takes the function for its result."
    original = engine._evaluate_conditions

    def evaluate(template, params):
        def split(node):
            if isinstance(node, list):
                return [split(n) for n in node]
            if not isinstance(node, dict):
                return node
            if "Fn::Split" in node:
                separator, text = node["Fn::Split"]
                return str(params[text["Ref"]]["Value"]).split(separator)
            return {key: split(value) for key, value in node.items()}

        return original({**template, "Conditions": split(template.get("Conditions", {}))}, params)

    for module in (engine, changesets, handlers, stacks):
        assert module._evaluate_conditions is original
        module._evaluate_conditions = evaluate


def role_policy():
    "AWS::IAM::RolePolicy: ministack has AWS::IAM::Policy only, and changes its name in place."

    def put(props):
        provisioners._iam_policy_put({**props, "Roles": [props["RoleName"]]}, props["PolicyName"])
        return f"{props['RoleName']}|{props['PolicyName']}"

    def create(logical_id, props, stack_name):
        return put(props), {}

    def update(physical_id, old, new, stack_name):
        return put(new), {}  # with another id, that is another resource: the old one is deleted at the end

    def delete(physical_id, props):
        role, name = physical_id.split("|")
        provisioners._iam_policy_drop({**props, "Roles": [role]}, name)

    assert "AWS::IAM::RolePolicy" not in provisioners._RESOURCE_HANDLERS
    provisioners._RESOURCE_HANDLERS["AWS::IAM::RolePolicy"] = {"create": create, "update": update, "delete": delete}


def capacity_provider():
    """AWS::Lambda::CapacityProvider: ministack has none. A function with one is a function like others here, with a request at a time in an
    instance."""

    def create(logical_id, props, stack_name):
        assert props["VpcConfig"]["SubnetIds"] and props["VpcConfig"]["SecurityGroupIds"] and props["PermissionsConfig"]
        name = f"{stack_name}-{logical_id}"
        return name, {"Arn": f"arn:aws:lambda:us-east-1:000000000000:capacity-provider:{name}"}

    def update(physical_id, old, new, stack_name):
        return physical_id, {}

    def delete(physical_id, props):
        pass

    assert "AWS::Lambda::CapacityProvider" not in provisioners._RESOURCE_HANDLERS
    provisioners._RESOURCE_HANDLERS["AWS::Lambda::CapacityProvider"] = {"create": create, "update": update, "delete": delete}

    # CloudFormation makes numbers of parameters; else nobody can read the list of functions while there is such a function.
    def numbers(value):
        if isinstance(value, dict):
            return {name: numbers(v) for name, v in value.items()}
        return json.loads(value) if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value) else value

    functions = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create_function = functions["create"]

    def create_with_numbers(logical_id, props, stack_name):
        if "CapacityProviderConfig" in props:
            props = {**props, "CapacityProviderConfig": numbers(props["CapacityProviderConfig"])}
        return create_function(logical_id, props, stack_name)

    functions["create"] = create_with_numbers


def code_deploy():
    """CodeDeploy: ministack has none. Before an alias goes to another version, the stack's hook is asked here, and can refuse it; then all
    requests go there at once, and no alarm is looked at."""

    def create(logical_id, props, stack_name):
        return f"{stack_name}-{logical_id}", {}

    def update(physical_id, old, new, stack_name):
        return physical_id, {}

    def delete(physical_id, props):
        pass

    for kind in ("AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup"):
        assert kind not in provisioners._RESOURCE_HANDLERS
        provisioners._RESOURCE_HANDLERS[kind] = {"create": create, "update": update, "delete": delete}

    told = {}  # what hooks have said, by their execution's id

    async def tell(method, path, headers, body, query):
        said = json.loads(body)
        assert headers["x-amz-target"] == "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus"
        told[said["lifecycleEventHookExecutionId"]] = said["status"]
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(said).encode()

    assert "codedeploy" not in ministack.app.SERVICE_HANDLERS
    ministack.app.SERVICE_HANDLERS["codedeploy"] = tell
    move = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Alias"]["update"]

    def ask_and_move(physical_id, old, new, stack_name, *more):
        client = boto3.client("lambda", config=botocore.config.Config(read_timeout=170, retries={"max_attempts": 0}))
        alias = client.get_alias(FunctionName=new["FunctionName"], Name=new["Name"])
        if alias["FunctionVersion"] != new["FunctionVersion"]:
            execution = str(uuid.uuid4())
            event = {"DeploymentId": "d-" + execution[:8], "LifecycleEventHookExecutionId": execution}
            client.invoke(FunctionName="CodeDeployHook_" + stack_name, Payload=json.dumps(event))
            if told.get(execution) != "Succeeded":
                raise ValueError(f"the hook says {told.get(execution)}")
        return move(physical_id, old, new, stack_name, *more)

    provisioners._RESOURCE_HANDLERS["AWS::Lambda::Alias"]["update"] = ask_and_move
    on_thread = stacks._runs_on_worker_thread  # where the account can be asked meanwhile
    stacks._runs_on_worker_thread = lambda kind: kind == "AWS::Lambda::Alias" or on_thread(kind)


def update_policy():
    "UpdatePolicy: ministack does not wait for what it refers to."
    original = engine._extract_deps

    def extract_deps(resource, names):
        policy = {"Properties": resource.get("UpdatePolicy", {})}
        return original(resource, names) | original(policy, names)

    engine._extract_deps = extract_deps


def metric_math():
    "Alarms on metric math: ministack has none. Such an alarm watches the first of its metrics here."
    original = provisioners._cw_metric_alarm_record

    def record(name, props):
        if props.get("Metrics"):
            stat = next(m["MetricStat"] for m in props["Metrics"] if "MetricStat" in m)
            props = {**props, **stat["Metric"], "Period": stat["Period"], "Statistic": stat["Stat"]}
            del props["Metrics"]
        return original(name, props)

    provisioners._cw_metric_alarm_record = record


def caller_of_function_url():
    "Function URLs with AWS_IAM: ministack checks signature and policy, and does not tell the function who called."
    original = lambda_svc._build_function_url_event

    def build(url_id, account_id, region, method, path, headers, body, query_params, **more):
        event = original(url_id, account_id, region, method, path, headers, body, query_params, **more)
        assert "authorizer" not in event["requestContext"]
        caller = resolve_caller_identity(extract_access_key_id(headers, query_params))
        if caller and not more.get("anonymous"):
            event["requestContext"]["authorizer"] = {"iam": {
                "accessKey": caller["accessKey"], "accountId": caller["accountId"], "callerId": caller["userId"],
                "cognitoIdentity": None, "principalOrgId": None, "userArn": caller["userArn"], "userId": caller["userId"],
            }}
        return event

    lambda_svc._build_function_url_event = build


def any_method():
    "OpenAPI in API Gateway: ministack leaves out x-amazon-apigateway-any-method."
    original = apigateway_v1._import_path_item
    apigateway_v1._OPENAPI_HTTP_METHODS = {*apigateway_v1._OPENAPI_HTTP_METHODS, "any"}

    def import_path_item(api_id, path, item, *more):
        item = {"any" if key == "x-amazon-apigateway-any-method" else key: value for key, value in item.items()}
        return original(api_id, path, item, *more)

    apigateway_v1._import_path_item = import_path_item


def init_error():
    "A function that reports why it can't start: ministack tells who invokes it in words and with a type of its own."
    original = lambda_runtime.ProvidedWorker._await_init

    def await_init(worker, *more):
        try:
            return original(worker, *more)
        except RuntimeError:
            if isinstance(worker._init_error, dict):
                said = worker._init_error
                raise lambda_runtime.ProvidedRuntimeError(said["errorMessage"], said["errorType"]) from None
            raise

    lambda_runtime.ProvidedWorker._await_init = await_init


def host_of_rest_api():
    "REST APIs: ministack knows them by a host name of its own only, and what is signed for AWS's does not fit that."
    assert not ministack.app._EXECUTE_API_RE.match("01234567.execute-api.us-east-1.amazonaws.com")
    ministack.app._EXECUTE_API_RE = re.compile(r"^([a-f0-9]{8})\.execute-api\.us-east-1\.amazonaws\.com$")


for bridge in (
    split_in_conditions, role_policy, capacity_provider, code_deploy, update_policy, metric_math, caller_of_function_url, any_method,
    host_of_rest_api, init_error,
):
    bridge()
    print("bridged:", " ".join(bridge.__doc__.split()), flush=True)
sys.argv[1:] = []
ministack.app.main()
