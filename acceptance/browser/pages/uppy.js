// A page as an application would write it, with Uppy from npm. What it is to do stands in its address.
import AwsS3 from '@uppy/aws-s3'
import Uppy from '@uppy/core'
import Tus from '@uppy/tus'

const options = Object.fromEntries(new URLSearchParams(location.search))
const uppy = new Uppy({ autoProceed: false, ...(options.title ? { meta: { title: options.title } } : {}) })

if (options.door === 'tus') {
  const headers = options.token ? { Authorization: `Bearer ${options.token}` } : {}
  uppy.use(Tus, { endpoint: options.endpoint, headers, chunkSize: Number(options.chunk) || Number.POSITIVE_INFINITY })
} else {
  const multipart = options.multipart === undefined ? {} : { shouldUseMultipart: options.multipart === 'true' }
  uppy.use(AwsS3, { companionEndpoint: options.endpoint, ...multipart })
  rememberUploads()
}

/** Keeps over a reload what the plugin keeps of an upload in its file's state, as @uppy/golden-retriever does. */
function rememberUploads() {
  uppy.on('state-update', (_before, _after, patch) => {
    for (const { id, s3Multipart } of Object.values(patch?.files ?? {})) {
      if (s3Multipart) localStorage.setItem(id, JSON.stringify(s3Multipart))
    }
  })
  uppy.on('file-added', ({ id }) => {
    const kept = localStorage.getItem(id)
    if (kept) uppy.setFileState(id, { s3Multipart: JSON.parse(kept) })
  })
  uppy.on('upload-success', ({ id }) => localStorage.removeItem(id))
}

const input = document.querySelector('input')
input.addEventListener('change', () => {
  for (const file of input.files) uppy.addFile({ name: file.name, type: file.type, data: file })
})

window.uppy = uppy
/** Uploads; resolves with what the application learns. */
window.upload = async () => {
  const { successful, failed } = await uppy.upload()
  return {
    uploaded: successful.map(({ name, uploadURL, response }) => ({ name, uploadURL, key: response?.body?.key })),
    failed: failed.map(({ name, error }) => ({ name, error })),
  }
}
