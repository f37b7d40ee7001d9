import { type S3Client, UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import type { Presigning } from './port.ts'
import { doing, s3Error } from './s3-errors.ts'
import { readName } from './s3-uploads.ts'

/** Addresses of parts at S3 itself, where browsers reach it. */
export function openS3Presigning(client: S3Client): Presigning {
  return {
    presignPart: async (upload, { part_number, size, expires_in }) => {
      const { own } = readName(upload)
      const { ref, upload_id } = own
      const names = { Bucket: ref.bucket, Key: ref.key, UploadId: upload_id, PartNumber: part_number }
      // The length is a header like others and is signed with them, so that no other number of bytes is taken.
      const command = new UploadPartCommand({ ...names, ...(size !== null && { ContentLength: size }) })
      try {
        return await getSignedUrl(client, command, { expiresIn: expires_in })
      } catch (error) {
        throw s3Error(error, doing('PutObject', ref))
      }
    },
  }
}
