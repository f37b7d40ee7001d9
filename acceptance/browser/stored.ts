import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openStore } from '../../src/embedded/store.ts'
import { systemClock } from '../../src/media/clock.ts'
import type { Rendition } from '../../src/media/record.ts'
import { parseSettings } from '../../src/media/setting.ts'
import { openMetadata } from '../../src/metadata/open.ts'
import { metadataSettings } from '../../src/metadata/settings.ts'
import { openFilesystemObjects } from '../../src/objects/filesystem.ts'
import { formOf } from '../samples.ts'
import { startTarget } from '../target.ts'
import { assertProcessed, makeFile } from './kit.ts'

const run = promisify(execFile)
export const seconds = 12
const source = `-f lavfi -i testsrc2=size=640x360:rate=25:duration=${seconds} -f lavfi -i sine=duration=${seconds}`
const hls = '-f hls -hls_time 4 -hls_playlist_type vod -hls_segment_type fmp4 -hls_flags independent_segments'

async function ffmpeg(args: string, cwd: string): Promise<void> {
  await run('ffmpeg', ['-v', 'error', '-y', ...args.split(' ')], { cwd })
}

/** A media with a stream and a storyboard, in the data folder of a service that does not run. */
export async function addFilm(folder: string, dataDir: string): Promise<string> {
  const target = await startTarget({ dataDir, embedded: true })
  try {
    const file = await makeFile(folder, 'clip.mp4')
    const body = formOf({ title: 'Film', file: new File([await readFile(file.path)], 'clip.mp4') })
    const answer = await fetch(`${target.url}/api/media/upload`, { method: 'POST', body })
    const { media_id } = (await answer.json()) as { media_id: string }
    await assertProcessed(media_id, { url: target.url, file })
    await target.stop()
    await storeStream(dataDir, media_id)
    return media_id
  } finally {
    await target.stop()
  }
}

/** Makes a stream and a storyboard as they are stored, and gives them to a media. */
async function storeStream(dataDir: string, media_id: string): Promise<void> {
  const made = join(dataDir, 'made')
  await mkdir(join(made, 'hls'), { recursive: true })
  await mkdir(join(made, 'storyboard'))
  const one = (name: string) =>
    `${hls} -hls_fmp4_init_filename ${name}-init.mp4 -hls_segment_filename ${name}-%05d.m4s ${name}.m3u8`
  for (const height of [360, 180]) {
    const video = `-map 0:v -vf scale=-2:${height} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -sc_threshold 0`
    await ffmpeg(`${source} ${video} ${one(`${height}p`)}`, join(made, 'hls'))
  }
  await ffmpeg(`${source} -map 1:a -c:a aac ${one('audio')}`, join(made, 'hls'))
  await ffmpeg(`${source} -map 0:v -vf fps=1,scale=160:-2,tile=4x3 -frames:v 1 sheet-001.jpg`, join(made, 'storyboard'))
  await keep(made, dataDir, media_id)
}

const texts: Record<string, string> = {
  'hls/master.m3u8': `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="sound",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="audio"
360p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=320x180,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="audio"
180p.m3u8
`,
  'storyboard/storyboard.vtt': `WEBVTT

00:00:00.000 --> 00:00:12.000
sheet-001.jpg#xywh=0,0,160,90
`,
}
const types: Record<string, string> = { m3u8: 'application/vnd.apple.mpegurl', vtt: 'text/vtt', jpg: 'image/jpeg' }

async function keep(made: string, dataDir: string, media_id: string): Promise<void> {
  const objects = await openFilesystemObjects({ root: join(dataDir, 'objects'), clock: systemClock })
  const store = await openStore({ path: join(dataDir, 'metadata.db') })
  const metadata = await openMetadata(parseSettings(metadataSettings, {}), { store: async () => store })
  const record = (await metadata.get(media_id)) ?? undefined
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/(.*\/)/.exec(record?.processed_s3_url ?? '') ?? []
  const typeOf = (file: string) => ({ content_type: types[file.split('.').at(-1) ?? ''] ?? 'video/mp4' })
  for (const folder of ['hls', 'storyboard']) {
    for (const file of await readdir(join(made, folder))) {
      const path = join(made, folder, file)
      if ((await stat(path)).isFile())
        await objects.putFile({ bucket, key: `${prefix}${folder}/${file}` }, path, typeOf(file))
    }
  }
  for (const [file, text] of Object.entries(texts)) {
    async function* body() {
      yield Buffer.from(text)
    }
    await (await objects.stage(body())).commit({ bucket, key: prefix + file }, typeOf(file))
  }
  const unknown = { file_size: 1, etag: 'e', width: null, height: null, bitrate: null, duration: null }
  const added: Rendition[] = ['hls/master.m3u8', 'storyboard/storyboard.vtt'].map((file) => {
    const name = file.startsWith('hls') ? 'hls' : 'storyboard.vtt'
    return { name, s3_url: `s3://${bucket}/${prefix}${file}`, ...typeOf(file), ...unknown }
  })
  const patch = { renditions: [...(record?.renditions ?? []), ...added] }
  await metadata.commit({ media_id, expect: { version: record?.version ?? 0 }, patch, events: [] })
  await Promise.all([metadata.close(), objects.close()])
  await store.close()
}
