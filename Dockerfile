# The image holds one static binary, CA certificates and time zones. It runs as an account without rights, needs no writable
# file system besides /var/lib/turkey, and is built by BuildKit (the default since Docker 23):
#
#   docker build -t turkey .                              the server, the worker and gravy
#   docker build -t turkey:tools --target tools .         the same, with PostgreSQL's programs: backups need pg_dump
#
# VERSION is what `turkey --version` says; COMMIT and DATE (RFC 3339) go into labels only, so that they change no file.
ARG GO_VERSION=1.26
ARG NODE_VERSION=22
# Not older than the PostgreSQL server that is backed up; pg_dump reads older ones.
ARG POSTGRES_VERSION=18

# --- The console, which is the same for every architecture -----------------------------------------------------------
FROM --platform=$BUILDPLATFORM node:${NODE_VERSION}-alpine AS console
WORKDIR /src
COPY sdk/typescript/package.json sdk/typescript/package-lock.json sdk/typescript/
COPY console/web/package.json console/web/package-lock.json console/web/
RUN cd sdk/typescript && npm ci --omit=dev --ignore-scripts --no-audit --no-fund && cd ../../console/web && npm ci --ignore-scripts --no-audit --no-fund
COPY sdk/typescript sdk/typescript
COPY console/web console/web
RUN cd console/web && npm run build

# --- The binary, cross-compiled on the builder's own architecture ----------------------------------------------------
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS build
RUN apk add --no-cache ca-certificates make tzdata
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
COPY --from=console /src/console/dist console/dist
ARG VERSION=1.0.0-dev
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH make binary VERSION="$VERSION" OUT=/out/usr/local/bin
# What an empty image lacks: an account, and the directory that it may write.
RUN mkdir -p /out/etc /out/var/lib/turkey /out/tmp && chmod 1777 /out/tmp && chown 65532:65532 /out/var/lib/turkey && \
    echo 'turkey:x:65532:65532:TurKey:/var/lib/turkey:/sbin/nologin' >/out/etc/passwd && echo 'turkey:x:65532:' >/out/etc/group

# --- With PostgreSQL's programs, for backups -------------------------------------------------------------------------
FROM postgres:${POSTGRES_VERSION}-alpine AS tools
RUN addgroup -g 65532 turkey && adduser -D -H -u 65532 -G turkey -h /var/lib/turkey turkey && \
    install -d -o turkey -g turkey /var/lib/turkey /var/backups/turkey
COPY --from=build /out/usr/local/bin/ /usr/local/bin/
ENV TURKEY_DATA_DIR=/var/lib/turkey BACKUP_DIR=/var/backups/turkey
WORKDIR /var/lib/turkey
USER 65532:65532
VOLUME /var/backups/turkey
ENTRYPOINT ["/usr/local/bin/turkey"]
CMD ["serve"]

# --- The server ------------------------------------------------------------------------------------------------------
FROM scratch AS server
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /out/ /
ARG VERSION=1.0.0-dev
ARG COMMIT
ARG DATE
LABEL org.opencontainers.image.title="TurKey" org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$COMMIT" org.opencontainers.image.created="$DATE"
# A database container that starts at the same time makes its cluster first; so this one waits for a minute, not 4 seconds.
ENV PATH=/usr/local/bin TURKEY_DATA_DIR=/var/lib/turkey DB_RETRY_ATTEMPTS=60
WORKDIR /var/lib/turkey
USER 65532:65532
# Secrets that nobody configured are made here outside production. They must not go with the container: nothing opens without them.
VOLUME /var/lib/turkey
# 3001 where DB_HOST and its like name the database, 3000 where DATABASE_URL does.
EXPOSE 3000 3001
HEALTHCHECK --interval=10s --timeout=7s --start-period=90s --retries=3 CMD ["/usr/local/bin/turkey", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/turkey"]
CMD ["serve"]
