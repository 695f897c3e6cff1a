# syntax=docker/dockerfile:1
# The image of Postrider: one binary on a base without a shell, run by a user without rights.
#   docker build --build-arg REVISION=$(git rev-parse --short=12 HEAD) -t postrider:local .

FROM rust:1.95.0-bookworm AS base
# The image's own toolchain is the one of rust-toolchain.toml; naming it keeps rustup from fetching clippy and rustfmt.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /build

# The manifests, with empty sources: the same until a manifest changes, so that the next stage's first build is kept.
FROM base AS manifests
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock -delete
RUN for package in crates/* tests; do mkdir -p $package/src && touch $package/src/lib.rs; done
RUN rm crates/postrider/src/lib.rs && echo 'fn main() {}' > crates/postrider/src/main.rs

FROM base AS build
COPY --from=manifests /build .
RUN cargo build --release --locked
COPY . .
# Cargo goes by the time of a file; what was copied may be older than the empty one it replaces.
RUN find crates -name '*.rs' -exec touch {} +
ARG REVISION=unknown
ENV POSTRIDER_REVISION=$REVISION
RUN cargo build --release --locked

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Postrider" \
      org.opencontainers.image.description="Delivers email and Slack messages from events in Kafka, once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/postrider/postrider" \
      org.opencontainers.image.documentation="https://github.com/postrider/postrider/blob/main/docs/OPERATIONS.md" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /build/target/release/postrider /usr/local/bin/postrider
# A postrider.toml that is mounted here is found without --config.
WORKDIR /etc/postrider
USER 65532:65532
EXPOSE 8080 9464 9465
# Drains and exits 0; give it drain_timeout + 10 s before it is killed.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/postrider", "health"]
ENTRYPOINT ["/usr/local/bin/postrider"]
CMD ["--help"]
