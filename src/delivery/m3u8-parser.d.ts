/** The part of the package that the tests use; it declares nothing itself. */
declare module 'm3u8-parser' {
  interface Segment {
    uri: string
    duration: number
    title?: string
    map?: { uri: string }
    key?: { uri: string }
  }
  interface Playlist {
    uri: string
    attributes: Record<string, unknown>
  }
  export interface Manifest {
    endList?: boolean
    playlistType?: string
    targetDuration?: number
    playlists?: Playlist[]
    segments?: Segment[]
    mediaGroups?: Record<string, Record<string, Record<string, { uri?: string; language?: string; default: boolean }>>>
  }
  export class Parser {
    manifest: Manifest
    push(text: string): void
    end(): void
  }
}
