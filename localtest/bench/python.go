package main

import _ "embed"

// pythonServer is the tutorial's server, whose agent takes orders. It inherits its listener as file 3.
//
//go:embed tutorial_server.py
var pythonServer string
