package main

import _ "embed"

// pythonServer is the tutorial's server, whose agent takes orders. Its argument is the port.
//
//go:embed tutorial_server.py
var pythonServer string
