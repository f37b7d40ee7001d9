// A page as an application would write it, with hls.js from npm. What it is to play stands in its address.
import Hls from 'hls.js'
import { createClient } from '../../../client/src/index.ts'

const told = Object.fromEntries(new URLSearchParams(location.search))
const video = Object.assign(document.createElement('video'), { muted: true, width: 320 })
document.body.append(video)
const errors = []
const levels = []
let hls

const AsyncFunction = (async () => {}).constructor

/** By a signed address, which is all there is to it; or by cookies that the service has set for the CDN. */
async function addressOf(rendition) {
  const media = createClient({ baseUrl: told.endpoint })
  const cookies = told.cookies ? { cookies: 'true' } : {}
  return (await media.downloadUrl(told.media_id, { rendition, ...cookies })).url
}

Object.assign(window, {
  video,
  errors,
  /** Heights that were switched to, in order. */
  levels,
  addressOf,
  /** Runs a piece of code as a reader of a page has it: with hls.js, a video and the name of a media. */
  async run(code) {
    await new AsyncFunction('Hls', 'video', 'media_id', code)(Hls, video, told.media_id)
    await video.play()
  },
  /** By the browser's own player. */
  async startNative() {
    video.src = await addressOf('hls')
    await video.play()
  },
  /** Resolves with the heights of the stream when it plays. */
  async start(address) {
    hls = new Hls(told.cookies ? { xhrSetup: (xhr) => Object.assign(xhr, { withCredentials: true }) } : {})
    hls.on(Hls.Events.ERROR, (_event, { details, fatal, response }) => {
      // What it stops loading itself, because it is told to switch, is none.
      if (details !== Hls.ErrorDetails.INTERNAL_ABORTED) errors.push({ details, fatal, status: response?.code })
    })
    hls.on(Hls.Events.LEVEL_SWITCHED, (_event, { level }) => levels.push(hls.levels[level].height))
    hls.loadSource(address ?? (await addressOf('hls')))
    hls.attachMedia(video)
    await new Promise((resolve) => hls.once(Hls.Events.MANIFEST_PARSED, resolve))
    await video.play()
    return hls.levels.map(({ height }) => height)
  },
  /** From the next segment on. */
  switchTo(height) {
    hls.nextLevel = hls.levels.findIndex((level) => level.height === height)
  },
  seek(seconds) {
    video.currentTime = seconds
    return new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }))
  },
  /** Frames and bytes of sound that were decoded. */
  decoded() {
    const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality()
    return { totalVideoFrames, droppedVideoFrames, sound: video.webkitAudioDecodedByteCount }
  },
  /** The pictures that the storyboard's cues name, loaded: their widths. */
  async sheets() {
    const text = await (await fetch(await addressOf('storyboard.vtt'))).text()
    const names = [...new Set(text.match(/^http[^#\s]+/gm))]
    return await Promise.all(
      names.map(async (src) => {
        const image = Object.assign(new Image(), { src })
        await image.decode()
        return image.naturalWidth
      }),
    )
  },
})
