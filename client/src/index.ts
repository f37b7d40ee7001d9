/** Everything that the package offers in browsers and Node; files and folders are in `node.ts`. */
export { type CallOptions, createClient, type MediaClient } from './client.ts'
export type {
  Download,
  DownloadQuery,
  ListMedia,
  Media,
  MediaPage,
  MediaType,
  Problem,
  Rendition,
  Status,
} from './contract.ts'
export { MediaClientError, MediaServiceError, ServiceUnreachable, SourceChanged, UploadAborted } from './errors.ts'
export type { Progress } from './progress.ts'
export type { ClientOptions } from './requests.ts'
export { type KeyValueStorage, type Remembered, type ResumeStore, storageResumeStore } from './resume.ts'
export type { Bytes, Source, UploadFile } from './source.ts'
export type { UploadOptions } from './upload.ts'
export type { WatchOptions } from './watch.ts'
