import { type Static, Type } from 'typebox'
import { Title } from './media.ts'

/** The form, as `multipart/form-data`; its fields may come in any order. */
export const UploadForm = Type.Object({
  title: Title,
  file: Type.String({ format: 'binary', description: 'The media; its type is read from the bytes.' }),
})
export type UploadForm = Static<typeof UploadForm>
