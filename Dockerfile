# One image for API, worker, edge, set-up and Lambda: what it starts is its command (`serve`, `worker`, `edge`, `setup`).
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY contract/package.json contract/
COPY client/package.json client/
# The pinned Node of the packages is for machines without one.
RUN npm ci --omit=dev --ignore-scripts --loglevel=error && rm -rf node_modules/node-linux-* node_modules/.bin

# The page at `/`: made here, so that the image needs nothing it is made with.
FROM packages AS console
RUN npm ci --ignore-scripts --loglevel=error
COPY contract contract
COPY client client
COPY console console
RUN node console/build.ts

FROM debian:bookworm-slim
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates ffmpeg bubblewrap libheif-examples libavif-bin \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin media \
 && mkdir /data && chown media /data
COPY --from=packages /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY contract contract
COPY llms.txt README.md ARCHITECTURE.md ./
COPY client/README.md client/
COPY docs docs
COPY src src
COPY --from=console /app/console/dist console/dist
COPY container container
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 DATA_DIR=/data
USER media
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "container/health.mjs"]
ENTRYPOINT ["sh", "container/start.sh"]
CMD ["all"]
