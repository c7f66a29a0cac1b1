#!/usr/bin/env bash
# Usage: localtest/setup.sh [part ...]
#
# Gets what the tests run against, each part once, into ${XDG_CACHE_HOME:-~/.cache}/a2alambda:
#
#   dynamodb  DynamoDB Local               prints the directory of its jars
#   dynoxide  another such emulator        prints the path of its program
#   sam       the AWS SAM CLI              prints the path of sam
#   ministack an emulated AWS account      prints the path of its Python
#   aws       the AWS CLI                  prints the path of aws
#   python02  Python with A2A SDK 0.2      prints the path of its interpreter
#   python03  the same with 0.3
#   python1   the same with 1
#   js03      the JavaScript A2A SDK 0.3   prints its node_modules
#   js1       the same, 1
#   java03    the Java A2A SDK 0.3         prints the directory of its jars
#   adk, strands, ag2                      frameworks in Python: prints the path of its interpreter
#   jsadk, aip, eventsource                the same in JavaScript, and stream clients: prints its node_modules
#   mcp       Python with the MCP SDK      prints the path of its interpreter
#   everything the MCP reference server    prints the path of its script
#   aimock    a mock of model providers   prints the path of its program
#   proxies   nginx, HAProxy and Varnish   prints nothing
#   chromium  Chromium, and a font         prints the path of chromium
#   axe       axe-core                     prints the path of its script
#   docker    a running Docker engine      prints nothing
#   image     sam local's base image       prints its tag
#
# and, for the tests that are run with -heavy alone,
#
#   crewai, litellm                        frameworks in Python: prints the path of its interpreter
#
# Without arguments it gets them all but the last. On Debian, as root, it installs the packages that are missing; elsewhere it says
# which they are. Progress goes to stderr, where the last line of a failure is one sentence that tells what to do.
# It may run several times at once.
set -euo pipefail

readonly dynamodb_version=3.1.0 sam_version=1.170.0 java03_version=0.3.3.Final aws_version=1.46.3
# What pip and npm chose for each A2A SDK. That of python02 is the tutorial's, with the web server that it uses.
readonly python02_packages=(
	a2a-sdk==0.2.8 annotated-doc==0.0.6 annotated-types==0.8.0 anyio==4.16.0 certifi==2026.10.18
	cffi==2.1.1 charset-normalizer==3.5.2 click==8.5.1 cryptography==50.0.2 fastapi==0.162.5 google-api-core==2.33.0
	google-auth==2.62.2 googleapis-common-protos==1.75.0 grpcio==1.85.1 grpcio-reflection==1.80.1
	grpcio-tools==1.80.1 h11==0.16.0 httpcore==1.0.9 httpx==0.28.1 httpx-sse==0.4.3 idna==3.20
	opentelemetry-api==1.45.2 opentelemetry-sdk==1.45.2 opentelemetry-semantic-conventions==0.66b2
	proto-plus==1.28.2 protobuf==6.31.1 pyasn1==0.6.5 pyasn1-modules==0.4.2 pycparser==3.11 pydantic==2.14.3
	pydantic-core==2.50.4 requests==2.34.2 setuptools==84.2.1 sse-starlette==3.5.1 starlette==1.7.0
	typing-extensions==4.16.0 typing-inspection==0.4.5 urllib3==2.8.0 uvicorn==0.54.0
)
readonly python03_packages=(
	a2a-sdk==0.3.26 annotated-types==0.8.0 anyio==4.16.0 certifi==2026.10.18 cffi==2.1.1
	charset-normalizer==3.5.2 cryptography==50.0.2 google-api-core==2.44.0 google-auth==2.62.2
	googleapis-common-protos==1.76.0 h11==0.16.0 httpcore==1.0.9 httpx==0.28.1 httpx-sse==0.4.3 idna==3.20
	opentelemetry-api==1.45.2 proto-plus==1.29.0 protobuf==7.36.2 pyasn1==0.6.5 pyasn1-modules==0.4.2
	pycparser==3.12 pydantic==2.14.3 pydantic-core==2.50.4 requests==2.34.2 typing-extensions==4.16.0
	typing-inspection==0.4.5 urllib3==2.8.0
)
readonly python1_packages=(
	a2a-sdk==1.3.0 aiologic==0.17.1 annotated-types==0.8.0 anyio==4.16.0 certifi==2026.10.18 cffi==2.1.1
	charset-normalizer==3.5.2 cryptography==50.0.2 culsans==0.11.0 google-api-core==2.44.0 google-auth==2.62.2
	googleapis-common-protos==1.76.0 h11==0.16.0 httpcore==1.0.9 httpx==0.28.1 idna==3.20 json-rpc==1.15.0
	opentelemetry-api==1.45.2 packaging==26.3 proto-plus==1.29.0 protobuf==7.36.2 pyasn1==0.6.5
	pyasn1-modules==0.4.2 pycparser==3.12 pydantic==2.14.3 pydantic-core==2.50.4 pyjwt==2.15.1
	requests==2.34.2 sniffio==1.3.1 typing-extensions==4.16.0 typing-inspection==0.4.5 urllib3==2.8.0 wrapt==2.5.2
)
# The same for frameworks that have a client of their own.
readonly adk_packages=(
	google-adk==2.13.0 a2a-sdk==1.3.0 aiologic==0.17.1 aiosqlite==0.22.1 annotated-doc==0.0.7 annotated-types==0.8.0
	anyio==4.16.0 attrs==26.1.0 Authlib==1.9.10 certifi==2026.10.19.post1 cffi==2.1.1 charset-normalizer==3.5.3
	click==8.5.1 cryptography==50.0.2 culsans==0.11.0 distro==1.9.0 fastapi==0.165.0 google-api-core==2.44.0
	google-auth==2.63.0 google-genai==2.34.0 googleapis-common-protos==1.76.0 graphviz==0.21 h11==0.16.0 httpcore==1.0.9
	httpx==0.28.1 idna==3.20 joserfc==1.8.0 json-rpc==1.15.0 jsonschema==4.26.0 jsonschema-specifications==2025.9.1
	opentelemetry-api==1.44.0 opentelemetry-sdk==1.44.0 opentelemetry-semantic-conventions==0.65b0 packaging==26.4
	proto-plus==1.29.0 protobuf==7.36.2 pyasn1==0.6.5 pyasn1_modules==0.4.2 pycparser==3.12 pydantic==2.14.4
	pydantic_core==2.50.5 python-dotenv==1.2.4 python-multipart==0.0.34 PyYAML==6.0.4 referencing==0.37.0
	requests==2.34.2 rpds-py==2026.9.1 sniffio==1.3.1 sse-starlette==3.7.0 starlette==1.10.0 tenacity==9.1.4
	typing-inspection==0.4.5 typing_extensions==4.16.0 urllib3==2.8.0 uvicorn==0.54.0 watchdog==6.0.0 websockets==15.0.1
	wrapt==2.5.2
)
readonly strands_packages=(
	strands-agents==1.62.0 a2a-sdk==0.3.26 aiomysql==0.3.2 aiosqlite==0.22.1 annotated-doc==0.0.7 annotated-types==0.8.0
	anyio==4.16.0 asyncpg==0.32.0 attrs==26.1.0 boto3==1.44.8 botocore==1.44.8 certifi==2026.10.19.post1 cffi==2.1.1
	charset-normalizer==3.5.3 click==8.5.1 cryptography==50.0.2 docstring_parser==0.18.0 fastapi==0.165.0
	google-api-core==2.44.0 google-auth==2.63.0 googleapis-common-protos==1.76.0 greenlet==3.5.6 h11==0.16.0
	httpcore==1.0.9 httpcore2==2.16.2 httpx==0.28.1 httpx-sse==0.4.3 httpx2==2.16.2 idna==3.20 jmespath==1.1.0
	jsonschema==4.26.0 jsonschema-specifications==2025.9.1 mcp==2.1.1 mcp-types==2.1.1 opentelemetry-api==1.45.1
	opentelemetry-instrumentation==0.66b1 opentelemetry-instrumentation-threading==0.66b1 opentelemetry-sdk==1.45.1
	opentelemetry-semantic-conventions==0.66b1 packaging==26.4 proto-plus==1.29.0 protobuf==7.36.2 pyasn1==0.6.5
	pyasn1_modules==0.4.2 pycparser==3.12 pydantic==2.14.4 pydantic_core==2.50.5 PyJWT==2.15.1 PyMySQL==1.2.4
	python-dateutil==2.9.0.post0 python-multipart==0.0.34 PyYAML==6.0.4 referencing==0.37.0 requests==2.34.2
	rpds-py==2026.9.1 s3transfer==0.19.3 six==1.17.0 SQLAlchemy==2.1.9 sse-starlette==3.7.0 starlette==1.10.0
	truststore==0.10.5 typing-inspection==0.4.5 typing_extensions==4.16.0 urllib3==2.8.0 uvicorn==0.54.0 watchdog==6.0.0
	wrapt==2.5.2
)
readonly ag2_packages=(
	ag2==1.2.1 a2a-sdk==1.3.0 aiologic==0.17.1 annotated-types==0.8.0 anyio==4.16.0 certifi==2026.10.19.post1 cffi==2.1.1
	charset-normalizer==3.5.3 cryptography==50.0.2 culsans==0.11.0 fast-depends==3.0.9 google-api-core==2.44.0
	google-auth==2.63.0 googleapis-common-protos==1.76.0 h11==0.16.0 httpcore==1.0.9 httpx==0.28.1 idna==3.20
	json-rpc==1.15.0 opentelemetry-api==1.45.2 packaging==26.4 proto-plus==1.29.0 protobuf==7.36.2 pyasn1==0.6.5
	pyasn1_modules==0.4.2 pycparser==3.12 pydantic==2.14.4 pydantic_core==2.50.5 PyYAML==6.0.4 requests==2.34.2
	sniffio==1.3.1 typing-inspection==0.4.5 typing_extensions==4.16.0 urllib3==2.8.0 wrapt==2.5.2
)
readonly crewai_packages=(
	crewai==1.15.30 a2a-sdk==0.3.26 aiocache==0.12.3 aiofiles==24.1.0 aiohappyeyeballs==2.7.1 aiohttp==3.14.5
	aiomcache==0.8.2 aiosignal==1.4.0 aiosqlite==0.21.0 annotated-doc==0.0.7 annotated-types==0.8.0 anyio==4.16.0
	appdirs==1.4.4 attrs==26.1.0 bcrypt==5.0.0 build==1.6.1 cel-python==0.5.0 certifi==2026.10.19.post1 cffi==2.1.1
	charset-normalizer==3.5.3 chromadb==1.5.9 click==8.5.1 crewai-cli==1.15.30 crewai-core==1.15.30 cryptography==50.0.2
	deprecation==2.1.0 distro==1.9.0 docstring_parser==0.18.0 durationpy==0.11 et_xmlfile==2.0.0 filelock==4.3.1
	flatbuffers==25.12.19 frozenlist==1.8.0 fsspec==2026.9.0 google-api-core==2.44.0 google-auth==2.63.0
	google-re2==1.1.20251105 googleapis-common-protos==1.76.0 grpcio==1.85.3 h11==0.16.0 hf-xet==1.8.0 httpcore==1.0.9
	httpcore2==2.16.2 httptools==0.9.0 httpx==0.28.1 httpx-sse==0.4.3 httpx2==2.16.2 httpx_auth==0.23.1
	huggingface_hub==2.4.0 idna==3.20 importlib_resources==7.1.0 instructor==1.15.4 Jinja2==3.1.6 jiter==0.14.0
	jmespath==1.1.0 json5==0.10.0 json_repair==0.60.1 jsonref==1.1.0 jsonschema==4.26.0
	jsonschema-specifications==2025.9.1 kubernetes==36.0.3 lance-namespace==0.13.0 lance-namespace-urllib3-client==0.13.0
	lancedb==0.40.0 lark==1.3.1 linkify-it-py==2.2.0 markdown-it-py==4.3.0 MarkupSafe==3.0.4 mcp==1.30.0
	mdit-py-plugins==0.7.0 mdurl==0.1.2 mmh3==5.3.1 multidict==7.2.1 numpy==2.4.6 oauthlib==4.0.1 onnxruntime==1.32.0
	openai==2.54.0 openpyxl==3.1.5 opentelemetry-api==1.45.2 opentelemetry-exporter-http-transport==0.66b2
	opentelemetry-exporter-otlp-common==0.66b2 opentelemetry-exporter-otlp-proto-common==1.45.2
	opentelemetry-exporter-otlp-proto-grpc==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2
	opentelemetry-proto==1.45.2 opentelemetry-sdk==1.45.2 opentelemetry-semantic-conventions==0.66b2 orjson==3.13.0
	overrides==7.7.0 packaging==26.4 pdfminer.six==20260107 pdfplumber==0.11.10 pendulum==3.3.0 pillow==13.0.0
	platformdirs==4.14.8 portalocker==2.7.0 propcache==0.5.4 proto-plus==1.29.0 protobuf==7.36.2 pyarrow==26.0.1
	pyasn1==0.6.5 pyasn1_modules==0.4.2 pybase64==1.5.1 pycparser==3.12 pydantic==2.12.5 pydantic-settings==2.16.3
	pydantic_core==2.41.5 Pygments==2.21.0 PyJWT==2.15.1 pypdfium2==5.15.2 PyPika==0.51.1 pyproject_hooks==1.3.3
	python-dateutil==4.0.0 python-dotenv==1.2.4 python-multipart==0.0.34 PyYAML==6.0.4 redis==8.1.0 referencing==0.37.0
	regex==2026.1.15 requests==2.34.2 requests-oauthlib==2.0.0 rich==14.3.4 rpds-py==2026.9.1 shellingham==1.5.4
	six==1.17.0 sniffio==1.3.1 sse-starlette==3.7.0 starlette==1.10.0 tenacity==9.2.1 textual==8.2.8 tokenizers==0.23.3
	tomli==2.0.2 tomli_w==1.1.0 tqdm==4.70.1 truststore==0.10.5 typer==0.29.2 typing-inspection==0.4.5
	typing_extensions==4.16.0 tzdata==2026.6 urllib3==2.8.0 uv==0.13.9 uvicorn==0.54.0 uvloop==0.23.0 watchfiles==1.3.0
	websocket-client==1.9.2 websockets==17.4 yarl==1.25.1
)
readonly litellm_packages=(
	litellm==1.108.7 a2a-sdk==1.3.0 aiohappyeyeballs==2.7.1 aiohttp==3.14.5 aiologic==0.17.1 aiosignal==1.4.0
	annotated-types==0.8.0 anyio==4.16.0 attrs==26.1.0 boto3==1.44.8 botocore==1.44.8 certifi==2026.10.19.post1
	cffi==2.1.1 charset-normalizer==3.5.3 click==8.5.1 cryptography==50.0.2 culsans==0.11.0 fastuuid==0.14.0
	filelock==4.3.1 frozenlist==1.8.0 fsspec==2026.9.0 google-api-core==2.44.0 google-auth==2.63.0
	googleapis-common-protos==1.76.0 h11==0.16.0 h2==4.4.1 hf-xet==1.8.0 hpack==4.2.0 httpcore==1.0.9 httpcore2==2.16.2
	httpx==0.28.1 httpx2==2.16.2 huggingface_hub==1.33.0 hyperframe==6.1.0 idna==3.20 importlib_metadata==8.9.0
	Jinja2==3.1.6 jiter==0.19.0 jmespath==1.1.0 json-rpc==1.15.0 jsonschema==4.26.0 jsonschema-specifications==2025.9.1
	MarkupSafe==3.0.4 multidict==7.2.1 openai==3.57.0 opentelemetry-api==1.45.2 packaging==26.4 propcache==0.5.4
	proto-plus==1.29.0 protobuf==7.36.2 pyasn1==0.6.5 pyasn1_modules==0.4.2 pycparser==3.12 pydantic==2.14.4
	pydantic-settings==2.16.3 pydantic_core==2.50.5 python-dateutil==2.9.0.post0 python-dotenv==1.2.4 PyYAML==6.0.4
	referencing==0.37.0 regex==2026.11.19 requests==2.34.2 rpds-py==2026.9.1 s3transfer==0.19.3 six==1.17.0
	sniffio==1.3.1 tiktoken==0.14.0 tokenizers==0.23.3 tqdm==4.70.1 truststore==0.10.5 typing-inspection==0.4.5
	typing_extensions==4.16.0 urllib3==2.8.0 wrapt==2.5.2 yarl==1.25.1 zipp==4.1.2
)
readonly jsadk_packages=(@google/adk@2.0.0) aip_packages=(a2a-ai-provider@0.5.0-alpha.1 ai@6.0.326)
readonly eventsource_packages=(eventsource@4.1.1 @microsoft/fetch-event-source@2.0.1)
# An emulator of AWS, with what it needs to expand a SAM template as the SAM CLI does.
readonly ministack_packages=(
	ministack==1.5.33 annotated-types==0.8.0 attrs==26.1.0 aws-sam-translator==1.115.0 boto3==1.43.106 botocore==1.43.106
	defusedxml==0.7.1 graphql-core==3.2.12 h11==0.16.0 h2==4.4.1 hpack==4.2.0 Hypercorn==0.18.0 hyperframe==6.1.0
	jmespath==1.1.0 jsonata-python==0.7.1 jsonschema==4.26.0 jsonschema-specifications==2025.9.1 priority==2.0.0
	pydantic==2.13.5 pydantic_core==2.46.5 python-dateutil==2.9.0.post0 PyYAML==6.0.4 referencing==0.37.0
	rpds-py==2026.9.1 s3transfer==0.19.3 six==1.17.0 typing-inspection==0.4.5 typing_extensions==4.16.0
	urllib3==2.8.0 wsproto==1.3.2
)
# MCP: a server that its own SDK's authors test clients with, and the SDK in Python.
readonly everything_package=@modelcontextprotocol/server-everything@2026.8.31
readonly mcp_packages=(
	mcp==2.3.0 annotated-types==0.8.0 anyio==4.16.0 attrs==26.1.0 cffi==2.1.1 click==8.5.1 cryptography==50.0.2 h11==0.16.0
	httpcore2==2.16.2 httpx2==2.16.2 idna==3.20 jsonschema==4.26.0 jsonschema-specifications==2025.9.1 mcp-types==2.3.0
	opentelemetry-api==1.45.2 pycparser==3.12 pydantic==2.14.4 pydantic_core==2.50.5 PyJWT==2.15.1 python-multipart==0.0.34
	referencing==0.37.0 rpds-py==2026.9.1 sse-starlette==3.7.0 starlette==1.10.0 truststore==0.10.5
	typing-inspection==0.4.5 typing_extensions==4.16.0 uvicorn==0.54.0
)
readonly axe_package=axe-core@4.14.1 aimock_package=@copilotkit/aimock@1.43.0 dynoxide_package=@dynoxide/linux-x64@1.2.1
readonly js03_packages=(@a2a-js/sdk@0.3.14 uuid@11.1.1) js1_packages=(@a2a-js/sdk@1.3.0 jose@6.2.17)
readonly image_tag=public.ecr.aws/lambda/provided:al2023-x86_64
# sam local puts its emulator on top of the base image under this tag, and never makes it again while it exists.
readonly sam_image_tag=public.ecr.aws/lambda/provided:al2023-rapid-x86_64

say() { printf 'localtest/setup.sh: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null; }

# install gets Debian packages, or says what is missing: install WHAT PACKAGE...
install() {
	local what=$1
	shift
	if ! have apt-get || [ "$(id -u)" != 0 ]; then
		die "$what is missing: install it (Debian: apt-get install $*) and run localtest/setup.sh again."
	fi
	say "installing $*"
	local apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
	export DEBIAN_FRONTEND=noninteractive
	"${apt[@]}" install -y --no-install-recommends "$@" >/dev/null 2>&1 || # it may have no lists yet
		{ "${apt[@]}" update >&2 && "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null; } ||
		die "$what is missing and apt-get cannot install it: install $* by hand and run localtest/setup.sh again."
}

# locked runs a part while no other process runs it.
locked() (
	flock 9
	"part_$1"
) 9>"$cache/$1.lock"

java_is_new() {
	local version
	version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
	[ "${version:-0}" -ge 17 ]
}

# jars gets an artifact of Maven Central with what it needs into a directory, unless it is there: jars DIR GROUP ARTIFACT VERSION
jars() {
	local dir=$1 tmp
	have java || install "Java 17" default-jre-headless
	java_is_new || die "the java in the PATH is older than 17: put Java 17 or newer first in the PATH."
	if [ ! -d "$dir" ]; then
		have mvn || install "Maven" maven
		say "getting $3 $4"
		rm -rf "$dir"-tmp.*
		tmp=$(mktemp -d "$dir-tmp.XXXXXX")
		cat >"$tmp/pom.xml" <<-POM
			<project>
			  <modelVersion>4.0.0</modelVersion>
			  <groupId>a2alambda</groupId>
			  <artifactId>localtest</artifactId>
			  <version>1</version>
			  <dependencies>
			    <dependency>
			      <groupId>$2</groupId>
			      <artifactId>$3</artifactId>
			      <version>$4</version>
			    </dependency>
			  </dependencies>
			</project>
		POM
		mvn -q -B -Dstyle.color=never -f "$tmp/pom.xml" dependency:copy-dependencies \
			-DincludeScope=runtime -DoutputDirectory="$tmp/jars" >&2 ||
			die "Maven could not get $3 $4: see its message above; it needs Maven Central, or a mirror in ~/.m2/settings.xml."
		mv "$tmp/jars" "$dir"
		rm -rf "$tmp"
	fi
	echo "$dir"
}

part_dynamodb() { jars "$cache/dynamodb-local-$dynamodb_version" software.amazon.dynamodb DynamoDBLocal "$dynamodb_version"; }

part_java03() {
	# Java runs the client from its source, which takes the compiler.
	if ! have javac; then install "Java's compiler" default-jdk-headless; fi
	jars "$cache/java03-$java03_version" io.github.a2asdk a2a-java-sdk-client "$java03_version"
}

# virtualenv makes a Python environment in a directory, unless it is there and complete: virtualenv DIR PACKAGE...
virtualenv() {
	local dir=$1
	shift
	have python3 || install "Python 3.10" python3 python3-venv
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
		die "the python3 in the PATH is older than 3.10: put a newer one first in the PATH."
	# An environment cannot be moved, so it is made in place, and lists its packages when it is complete. Its python is
	# a link to the one it was made with, which may be gone.
	if [ "$(cat "$dir/complete" 2>/dev/null)" != "$*" ] || [ ! -x "$dir/bin/python" ]; then
		python3 -c 'import ensurepip, venv' 2>/dev/null || install "Python's venv" python3-venv
		say "getting $1"
		rm -rf "$dir"
		python3 -m venv "$dir" >&2 ||
			die "python3 -m venv failed: see its message above, and install Python's venv module."
		"$dir/bin/python" -m pip --disable-pip-version-check install -q "$@" >&2 ||
			die "pip could not install $1: see its message above; it needs PyPI, or a mirror in pip's configuration."
		echo "$*" >"$dir/complete"
	fi
}

part_sam() {
	virtualenv "$cache/sam-$sam_version" "aws-sam-cli==$sam_version"
	echo "$cache/sam-$sam_version/bin/sam"
}

part_aws() {
	virtualenv "$cache/aws-$aws_version" "awscli==$aws_version"
	echo "$cache/aws-$aws_version/bin/aws"
}

# part_python makes the environment of one part: part_python PART PACKAGE...
part_python() {
	virtualenv "$cache/$1" "${@:2}"
	echo "$cache/$1/bin/python"
}

part_python02() { part_python python02 "${python02_packages[@]}"; }
part_python03() { part_python python03 "${python03_packages[@]}"; }
part_python1() { part_python python1 "${python1_packages[@]}"; }

part_adk() { part_python adk "${adk_packages[@]}"; }
part_strands() { part_python strands "${strands_packages[@]}"; }
part_ag2() { part_python ag2 "${ag2_packages[@]}"; }
part_crewai() { part_python crewai "${crewai_packages[@]}"; }
part_litellm() { part_python litellm "${litellm_packages[@]}"; }
part_ministack() { part_python ministack "${ministack_packages[@]}"; }

# part_js gets npm packages, unless they are there: part_js PART PACKAGE...
part_js() {
	local dir=$cache/$1
	shift
	have node || install "Node.js 20.19" nodejs
	have npm || install "npm" npm
	# The SDK's CommonJS requires an ECMAScript module.
	node -e 'process.exit(process.features.require_module ? 0 : 1)' ||
		die "the node in the PATH is older than 20.19: put a newer one first in the PATH."
	if [ "$(cat "$dir/complete" 2>/dev/null)" != "$*" ]; then
		say "getting $1"
		rm -rf "$dir"
		mkdir "$dir"
		npm install --prefix "$dir" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error "$@" >&2 ||
			die "npm could not install $1: see its message above; it needs the npm registry, or a mirror in ~/.npmrc."
		echo "$*" >"$dir/complete"
	fi
	echo "$dir/node_modules"
}

part_js03() { part_js js03 "${js03_packages[@]}"; }
part_js1() { part_js js1 "${js1_packages[@]}"; }

part_jsadk() { part_js jsadk "${jsadk_packages[@]}"; }
part_aip() { part_js aip "${aip_packages[@]}"; }
part_eventsource() { part_js eventsource "${eventsource_packages[@]}"; }

part_mcp() { part_python mcp "${mcp_packages[@]}"; }

part_everything() {
	part_js everything "$everything_package" >/dev/null
	echo "$cache/everything/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
}

# Another emulator of DynamoDB: a binary for Linux on x86-64. Elsewhere nobody needs it.
part_dynoxide() {
	[ "$(uname -sm)" = "Linux x86_64" ] || return 0
	part_js dynoxide "$dynoxide_package" >/dev/null
	echo "$cache/dynoxide/node_modules/@dynoxide/linux-x64/dynoxide"
}

part_aimock() {
	part_js aimock "$aimock_package" >/dev/null
	echo "$cache/aimock/node_modules/@copilotkit/aimock/dist/cli.js"
}

part_proxies() {
	local PATH=$PATH:/usr/sbin
	have nginx || install "nginx" nginx
	have haproxy || install "HAProxy" haproxy
	have varnishd || install "Varnish" varnish
}

part_axe() {
	part_js axe "$axe_package" >/dev/null
	echo "$cache/axe/node_modules/axe-core/axe.min.js"
}

part_chromium() {
	chromium_path >/dev/null || install "Chromium" chromium fonts-inter
	chromium_path
}

chromium_path() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

docker_answers() { have docker && timeout 20 docker version >/dev/null 2>&1; }

part_docker() {
	docker_answers && return
	local PATH=$PATH:/usr/sbin:/sbin # where dockerd and what it needs are
	if [ "$(id -u)" != 0 ] || ! have apt-get; then
		die "no Docker engine answers: install and start one that this user may use, so that \"docker version\" shows a server."
	fi
	have dockerd || install "Docker" docker.io
	have docker || install "Docker's client" docker-cli # in docker.io up to Debian 12
	docker_answers && return # where systemd runs, installing starts the engine
	# What is left of an engine that was killed may be in the way of the first try.
	start_dockerd || start_dockerd || {
		tail -n 20 "$cache/dockerd.log" >&2
		die "dockerd does not start: see the end of $cache/dockerd.log above, or start a Docker engine by hand."
	}
}

start_dockerd() {
	local containerd=/var/run/docker/containerd/containerd.pid pid
	say "starting dockerd"
	# A pid file whose process has ended makes dockerd wait for a containerd that never answers, or for itself.
	rm -f "$cache/dockerd.pid"
	if [ -e "$containerd" ] && ! runs "$(cat "$containerd")" containerd; then
		rm -f "$containerd" "${containerd%.pid}.sock" "${containerd%.pid}.sock.ttrpc"
	fi
	# In a session of its own, and without the lock: it stays when this script is done.
	setsid dockerd --host unix:///var/run/docker.sock --pidfile "$cache/dockerd.pid" </dev/null >"$cache/dockerd.log" 2>&1 9>&- &
	pid=$!
	for _ in {1..300}; do
		docker_answers && return
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.2
	done
	return 1
}

# runs tells whether a process is alive, and no zombie, and has the name: runs PID NAME
runs() {
	grep -q "^Name:[[:space:]]*$2\$" "/proc/$1/status" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status"
}

part_image() {
	locked docker
	if ! docker image inspect "$image_tag" >/dev/null 2>&1; then
		pull_image || make_image
		docker image rm -f "$sam_image_tag" >/dev/null 2>&1 || true
	fi
	echo "$image_tag"
}

# pull_image gets AWS's own image, where its registry can be reached.
pull_image() {
	timeout 5 bash -c ": </dev/tcp/${image_tag%%/*}/443" 2>/dev/null || return
	say "pulling $image_tag"
	timeout 300 docker pull -q "$image_tag" >&2
}

# make_image makes a stand-in: BusyBox for the shell that SAM's build steps use, and certificates for TLS. The function
# is a static binary and needs nothing else.
make_image() {
	local certs=/etc/ssl/certs/ca-certificates.crt root applet id
	have busybox || install "BusyBox" busybox-static
	[ -e "$certs" ] || install "the CA certificates" ca-certificates
	say "making $image_tag from BusyBox"
	rm -rf "$cache"/image-tmp.*
	root=$(mktemp -d "$cache/image-tmp.XXXXXX")
	chmod 755 "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,etc/ssl/certs,opt,var/task,var/runtime}
	mkdir -m 1777 "$root/tmp"
	cp -L "$certs" "$root$certs"
	echo root:x:0:0:root:/:/bin/sh >"$root/etc/passwd"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in $(busybox --list); do
		[ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
	done
	id=$(tar -C "$root" --owner 0 --group 0 -c . | docker import --change 'WORKDIR /var/task' \
		--change 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' -) ||
		die "docker import refused the base image: see its message above."
	rm -rf "$root"
	docker run --rm --network none "$id" /bin/sh -c : >&2 ||
		die "a container does not start: see Docker's message above; if it is about /bin/sh, install Debian's busybox-static."
	docker tag "$id" "$image_tag"
}

[ -n "${XDG_CACHE_HOME:-${HOME:-}}" ] || die "neither XDG_CACHE_HOME nor HOME is set: set one, for the cache."
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/a2alambda
have flock || die "flock is missing: these engines need Linux, and flock comes with its package util-linux."
mkdir -p "$cache" || die "the cache directory $cache cannot be made: set XDG_CACHE_HOME to a place that can be written."
[ $# -gt 0 ] || set -- dynamodb dynoxide sam ministack aws python02 python03 python1 js03 js1 java03 adk strands ag2 jsadk aip eventsource mcp everything aimock proxies chromium axe docker image
for part in "$@"; do
	case $part in
	dynamodb | dynoxide | sam | ministack | aws | python02 | python03 | python1 | js03 | js1 | chromium | axe | docker | image) locked "$part" ;;
	java03 | adk | strands | ag2 | jsadk | aip | eventsource | mcp | everything | aimock | proxies | crewai | litellm) locked "$part" ;;
	*) die "there is no part \"$part\": see the head of localtest/setup.sh." ;;
	esac
done
