import type { UserConfig } from 'vite'

/** `npm run console` serves it while it is worked on, in front of a service on port 8080. */
const config: UserConfig = {
  root: import.meta.dirname,
  build: {
    target: 'es2023',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: {
      '^/(api|cdn|store|i|readyz|metrics|docs|openapi.json)(/|$|\\?)': {
        target: process.env.MEDIA_URL ?? 'http://127.0.0.1:8080',
        // The service refuses pages of other origins, which is what this one is for the time being.
        configure: (proxy) => void proxy.on('proxyReq', (request) => request.removeHeader('origin')),
      },
    },
  },
}
export default config
