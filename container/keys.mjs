// Makes the keys of `compose.yaml`, once: what is there stays. The keys of the service go to the first folder, which
// its user alone can read; the S3 server's list of who may do what to the second.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '/keys', s3Folder = '/s3-keys'] = process.argv.slice(2)
/** As in the Dockerfile. */
const user = 10001

/** Files that belong together are made together: the last one is the sign that all are there. */
function makeOnce(what, files) {
  const paths = Object.keys(files)
  if (existsSync(paths.at(-1))) return void console.log(`${what}: there already`)
  for (const path of paths) {
    writeFileSync(`${path}.new`, files[path], { mode: path.startsWith(s3Folder) ? 0o644 : 0o600 })
    if (process.getuid() === 0) chownSync(`${path}.new`, user, user)
    renameSync(`${path}.new`, path)
  }
  console.log(`${what}: made`)
}

for (const one of [folder, s3Folder]) mkdirSync(one, { recursive: true })
if (process.getuid() === 0) chownSync(folder, user, user)

makeOnce('upload tokens’ key', { [join(folder, 'upload-tokens.key')]: randomBytes(32) })

const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
makeOnce('key that signs addresses', { [join(folder, 'cdn-private.pem')]: pem })

const apiKey = randomBytes(32).toString('base64url')
makeOnce('API key', {
  [join(folder, 'api-key')]: `${apiKey}\n`,
  [join(folder, 'api-keys')]: `${createHash('sha256').update(apiKey).digest('hex')} admin operator\n`,
})

// DynamoDB Local takes letters and digits alone.
const accessKey = 'mediaservice'
const secretKey = randomBytes(30).toString('hex')
const actions = ['Admin', 'Read', 'Write', 'List', 'Tagging']
const identities = [{ name: accessKey, credentials: [{ accessKey, secretKey }], actions }]
makeOnce('S3 credentials', {
  [join(s3Folder, 's3.json')]: `${JSON.stringify({ identities })}\n`,
  [join(folder, 'aws-credentials')]:
    `[default]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`,
})
