# Thin over cargo: every target is one or a few commands that can be typed by hand.
.PHONY: fmt fmt-check lint doc test build demo bench tools

# Formats everything.
fmt:
	cargo fmt --all

fmt-check:
	cargo fmt --all --check

# Clippy over every target, warnings are errors.
lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# The documentation builds without a warning.
doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Everything that must hold, real Kafka included. The build is what the tests run, and shares everything with their own.
test: tools fmt-check lint doc
	cargo build --workspace --locked
	cargo test --workspace --locked

# The program as it is shipped; the image is built by the same command.
build:
	cargo build --release --locked

# The main job with nothing else installed: a broker, ingest, both lanes, an inbox; 200 notifications through it.
demo:
	cargo run --release --locked -- dev --demo 200

# The table of ratios of docs/OPERATIONS.md, section Size. Takes minutes; wants an otherwise idle machine.
bench:
	sh tests/tools.sh bench
	cargo build --release --locked
	cargo run --release --locked -p postrider-tests --bin bench

# What the tests need beside cargo; installed where this is Debian and we are root, else named in one line.
tools:
	@sh tests/tools.sh test
