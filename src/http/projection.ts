import type { Media } from '../../contract/media.ts'
import type { MediaView } from '../media/record.ts'

/**
 * The record as the API shows it: `schema` and `deleted_at` stay inside, `media_url` and `progress` are added.
 * `publicUrl` has no slash at the end.
 */
export function wireOf({ record, progress }: MediaView, publicUrl: string): Media {
  return {
    media_id: record.media_id,
    user_id: record.user_id,
    title: record.title,
    media_type: record.media_type,
    upload_time: record.upload_time,
    status: record.status,
    temp_s3_url: record.temp_s3_url,
    processed_s3_url: record.processed_s3_url,
    thumbnail_s3_url: record.thumbnail_s3_url,
    etag: record.etag,
    file_size: record.file_size,
    media_url: `${publicUrl}/api/media/download/${record.media_id}`,
    filename: record.filename,
    content_type: record.content_type,
    progress,
    error: record.error,
    attempts: record.attempts,
    version: record.version,
    playable: record.playable,
    width: record.width,
    height: record.height,
    duration: record.duration,
    placeholder: record.placeholder,
    dominant_color: record.dominant_color,
    profile: record.profile,
    warnings: record.warnings,
    renditions: record.renditions,
    checksum: record.checksum,
  }
}
