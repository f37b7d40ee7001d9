/** The wire, as the service's own contract says it. The build writes these types out, so that nothing else is needed. */
export type { Download, DownloadQuery } from '@media-service/contract/download.ts'
export type { ListMedia, Media, MediaPage, MediaType, Rendition, Status } from '@media-service/contract/media.ts'
export type { Problem } from '@media-service/contract/problem.ts'
export type {
  CompleteUpload,
  InitUpload,
  SignedPart,
  SignedParts,
  SignParts,
  StoredPart,
  UploadPlan,
  UploadState,
} from '@media-service/contract/upload.ts'
