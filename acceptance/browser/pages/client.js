import { createClient } from '../../../client/src/index.ts'

const told = Object.fromEntries(new URLSearchParams(location.search))
const media = createClient({ baseUrl: told.endpoint, ...(told.token ? { token: () => told.token } : {}) })
const stop = new AbortController()

Object.assign(window, {
  media,
  stop,
  /** What was reported, in order. */
  progress: [],
  /** The record, or what went wrong. */
  async upload(options = {}) {
    const file = document.querySelector('input').files[0]
    const onProgress = (report) => window.progress.push(report)
    try {
      return await media.upload(file, { title: 'Mountain Adventure', signal: stop.signal, onProgress, ...options })
    } catch (error) {
      const { name, code, message, media_id } = error
      return { error: { name, code, message, media_id } }
    }
  },
  async watch(media_id) {
    const seen = []
    for await (const { status } of media.watch(media_id)) seen.push(status)
    return seen
  },
})
