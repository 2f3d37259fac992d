# How to build it, run it and add the programs of your tasks: docs/operations.md, "In a container".
# Build stage: everything that the build needs, nothing of it in the image that runs.
FROM debian:12-slim AS build
WORKDIR /src
COPY install-deps.sh ./
RUN ./install-deps.sh build
COPY . .
RUN make && make install DESTDIR=/out

# libcurl is loaded at run time: by the client's commands and for webhooks, which need the certificates, too. curl is for the probe below.
FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libmicrohttpd12 libgnutls30 libjansson4 libsqlite3-0 libpcre2-8-0 libseccomp2 libinih1 libnettle8 libpng16-16 tzdata \
    libcurl3-gnutls ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --home-dir /data --shell /usr/sbin/nologin jobmill \
 && install -d -o jobmill -g jobmill -m 0700 /data
COPY --from=build /out/ /
USER jobmill
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD curl -fsS http://127.0.0.1:8080/healthz || exit 1
# Inside a container every address is the container's own: who may reach it is decided by what the
# container's port is published on. Publish it on 127.0.0.1 only: docker run -p 127.0.0.1:8080:8080 …
ENTRYPOINT ["/usr/local/bin/jobmill"]
CMD ["serve", "--listen", "0.0.0.0:8080", "--insecure", "--data-dir", "/data"]
