"""Starts ministack, an AWS account on this machine, and bridges what it lacks for template.yaml.

Each bridge is in ministack, so that the template is deployed as it is. It says what AWS does and ministack does not, and is
printed as it is put in place. It fails where ministack is not as it expects: where a gap is closed, the bridge has to go.
"""

import sys

import ministack.app
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


def code_deploy():
    "CodeDeploy: ministack has none. Its resources do nothing here, and an alias goes to its new version at once."

    def create(logical_id, props, stack_name):
        return f"{stack_name}-{logical_id}", {}

    def update(physical_id, old, new, stack_name):
        return physical_id, {}

    def delete(physical_id, props):
        pass

    for kind in ("AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup"):
        assert kind not in provisioners._RESOURCE_HANDLERS
        provisioners._RESOURCE_HANDLERS[kind] = {"create": create, "update": update, "delete": delete}


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


for bridge in (split_in_conditions, code_deploy, metric_math, caller_of_function_url, any_method):
    bridge()
    print(f"bridged: {bridge.__doc__}", flush=True)
sys.argv[1:] = []
ministack.app.main()
