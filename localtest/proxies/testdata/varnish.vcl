vcl 4.1;

# Varnish speaks no TLS: for a function URL something in between has to.
backend agent {
	.host = "127.0.0.1";
	.port = "10000";
	# The longest silence of a stream is four seconds; of an answer to a message that waits for its task, as long as the
	# function may run.
	.first_byte_timeout = 15m;
	.between_bytes_timeout = 1m;
}

# The built-in rules do the rest: what the agent says of its answers keeps all but the card out of the cache.
