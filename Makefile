# Stockade. `make demo` shows what it does, `make test` proves it; both need root and a Debian host.
CARGO ?= cargo
STATE ?= /var/lib/stockade
HAKONIWA = 1.8.0

.PHONY: demo test test-kernels check check-fmt check-clippy check-doc check-unit check-deny security-table fuzz fuzz-short fuzz-replay soak bench setup

# Builds, starts the embedded Postgres, runs honest and hostile jobs, prints what became of each.
demo:
	@./deploy/setup.sh run
	$(CARGO) build --release --locked --bins
	$${CARGO_TARGET_DIR:-./target}/release/stockade demo

# Everything: what `check` does, then the whole system against this kernel and a real Postgres. Needs root.
test: check
	@test "$$(id -u)" = 0 || { echo "make test: needs root, to build sandboxes"; exit 1; }
	@./deploy/setup.sh test
	$(CARGO) build --locked --bins
	$(CARGO) test --locked -p stockade --test '*'
	$(CARGO) test --locked -p custom-runner
	$(CARGO) test --locked -p stockade-tests
	$(MAKE) fuzz-short

# The sandbox suite and the doctor under Debian's 6.1 and 6.12 kernels, in virtual machines without any help of a
# hypervisor. `make test` runs it too, among the other system tests.
test-kernels:
	@./deploy/setup.sh test
	$(CARGO) build --locked --bins
	$(CARGO) test --locked -p stockade-tests --test kernels

# Format, lints, documentation, unit tests: no root, no database.
check: check-fmt check-clippy check-doc check-unit

check-fmt:
	$(CARGO) fmt --all --check

check-clippy:
	@./deploy/setup.sh build
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

check-doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

check-unit:
	$(CARGO) test --locked --workspace --exclude stockade-tests --lib --bins
	$(CARGO) test --locked -p stockade-policies --test '*'

# What parses text or bytes that we did not write, fed with what libFuzzer makes up: FUZZ_SECONDS of processor time for
# each target (ten minutes if not said), as many at a time as there are cores. Prints executions per second.
fuzz:
	@./deploy/setup.sh fuzz
	@CARGO="$(CARGO)" ./fuzz/run.sh

fuzz-short: fuzz-replay
	@./deploy/setup.sh fuzz
	@FUZZ_SECONDS=10 CARGO="$(CARGO)" ./fuzz/run.sh

# Every seed, and every input that once broke a target; without libFuzzer.
fuzz-replay:
	$(CARGO) test --locked --manifest-path fuzz/Cargo.toml --target-dir $${CARGO_TARGET_DIR:-target}/fuzz

# Licences, advisories, banned crates; needs cargo-deny (`cargo install cargo-deny`).
check-deny:
	$(CARGO) deny check

# Ten thousand jobs, honest and hostile, in one worker: nothing is left, nothing grows. `make test` runs five hundred.
soak:
	@./deploy/setup.sh test
	$(CARGO) build --locked --bins
	STOCKADE_SOAK_JOBS=10000 $(CARGO) test --locked -p stockade-tests --test soak

# The figures of README, measured here, with its peers beside Stockade in the same run. Needs root. Debian has every
# peer but hakoniwa, which is built once.
bench:
	@./deploy/setup.sh bench
	@$(CARGO) install --quiet --locked --root $${CARGO_TARGET_DIR:-target}/peers hakoniwa-cli --version $(HAKONIWA) \
		|| echo "make bench: hakoniwa-cli $(HAKONIWA) cannot be built here; it is not measured"
	$(CARGO) build --release --locked --bins
	$(CARGO) bench --locked -p stockade-tests --no-fail-fast

# The table of claims in SECURITY.md, from a run of the sandbox suite on this kernel. Needs root.
security-table:
	$(CARGO) build --locked --bins
	@rm -f $${CARGO_TARGET_DIR:-target}/sandbox-tests
	STOCKADE_TESTS_REPORT=$$(realpath $${CARGO_TARGET_DIR:-target})/sandbox-tests $(CARGO) test --locked -p stockade-tests --test sandbox
	STOCKADE_TESTS_REPORT=$$(realpath $${CARGO_TARGET_DIR:-target})/sandbox-tests $(CARGO) test --locked -p stockade-tests --test claims

setup:
	@./deploy/setup.sh run
