"""What the SAM CLI's own translator and linter say of templates: JSON in, JSON out.

expand: {"template": a path, "sets": [parameters, …]} gives {"templates": [as CloudFormation gets it, …], "createOnly": {type: [property, …]}}
lint:   [template, …] gives [[{"rule", "message", "path"}, …], …]
"""

import json
import logging
import sys

logging.disable(logging.WARNING)  # the translator's, about feature toggles


def expand(asked):
    import os

    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
    from samcli.yamlhelper import yaml_parse
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    templates = []
    for parameters in asked["sets"]:
        with open(asked["template"]) as file:
            template = yaml_parse(file.read())
        for resource in template["Resources"].values():
            # Where sam deploy puts the package.
            if "CodeUri" in resource.get("Properties", {}):
                resource["Properties"]["CodeUri"] = "s3://bucket/" + resource["Properties"]["CodeUri"]
        defaults = {name: p["Default"] for name, p in template["Parameters"].items() if "Default" in p}
        templates.append(Translator({}, Parser()).translate(template, {**defaults, **parameters}))
    kinds = {resource["Type"] for template in templates for resource in template["Resources"].values()}
    schemas = {kind: PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema for kind in sorted(kinds)}
    return {
        "templates": templates,
        "createOnly": {
            kind: [path.removeprefix("/properties/") for path in schema.get("createOnlyProperties") or []]
            for kind, schema in schemas.items()
        },
    }


def lint(templates):
    from cfnlint import api
    from cfnlint.config import ManualArgs

    return [
        [{"rule": m.rule.id, "message": m.message, "path": "/".join(map(str, m.path or []))}
         for m in api.lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))]
        for template in templates
    ]


json.dump({"expand": expand, "lint": lint}[sys.argv[1]](json.load(sys.stdin)), sys.stdout, default=str)
