import { access, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import { checkCloudFrontKey, openKeys } from '../../delivery/keys.ts'
import { assertSafeToListen, isIdentityConfigured } from '../../http/identity.ts'
import { readKeys } from '../../http/keys.ts'
import { readTls } from '../../http/tls.ts'
import { readUploadKey } from '../../http/upload-tokens.ts'
import type { Chance } from '../../media/clock.ts'
import { readEndpoints } from '../../notices/endpoints.ts'
import { refuseLonelyWorker, requireDeliveryKeys, requireDistribution, requireSharedKeys } from '../engines.ts'
import type { Role } from '../site.ts'
import { type Finding, ok, tried, warning } from './finding.ts'

const fit = 'the settings go together'

/** Whether a process of this role would take the settings; each refusal says itself what to do. */
export async function examineFit(config: Config, role: Role): Promise<Finding[]> {
  const questions: (() => void)[] = [
    () => requireDistribution(role, config),
    ...(role === 'worker'
      ? [() => refuseLonelyWorker(config)]
      : [
          () => assertSafeToListen({ host: config.http.host, settings: config.http }),
          () => (role === 'edge' ? requireDeliveryKeys(config) : requireSharedKeys(config)),
        ]),
  ]
  const found = await Promise.all(questions.map((ask) => tried('settings', () => (ask(), fit))))
  const wrong = found.filter(({ status }) => status !== 'ok')
  return wrong.length > 0 ? wrong : [ok('settings', fit)]
}

/** Whether keys can be read and are of the right kind. None is made here, and none is shown. */
export async function examineKeys(config: Config, role: Role, chance: Chance): Promise<Finding[]> {
  if (role === 'worker') return []
  const { tlsCertFile, tlsKeyFile, apiKeysFile, uploadKeyFile } = config.http
  const isEdge = role === 'edge'
  return [
    await tried('delivery key', () => readDeliveryKeys(config, chance)),
    ...(uploadKeyFile && !isEdge
      ? [
          await tried(
            'upload key',
            async () => `${(await readUploadKey(uploadKeyFile)).length} bytes of ${uploadKeyFile}`,
          ),
        ]
      : []),
    ...(config.notices.webhooksFile && !isEdge
      ? [await tried('webhooks', async () => `${(await readEndpoints(config.notices)).length} endpoints are told`)]
      : []),
    ...(apiKeysFile && !isEdge
      ? [await tried('API keys', async () => (await readKeys(apiKeysFile), `of ${apiKeysFile}`))]
      : []),
    ...(tlsCertFile || tlsKeyFile
      ? [await tried('TLS', async () => (await readTls(config.http), `certificate ${tlsCertFile} and its key`))]
      : []),
    ...(await examineSecrecy(config)),
    ...(isEdge
      ? []
      : [
          ok(
            'identity',
            isIdentityConfigured(config.http)
              ? 'callers are asked who they are'
              : 'none: this machine only, as the user "local"',
          ),
        ]),
  ]
}

async function readDeliveryKeys({ service, delivery }: Config, chance: Chance): Promise<string> {
  const { privateKeyFile, publicKeyFiles, keyPairId, driver } = delivery
  const folder = join(service.dataDir, 'keys')
  const made = await access(join(folder, 'cdn-private.pem')).then(
    () => true,
    () => false,
  )
  if (!privateKeyFile && publicKeyFiles.length === 0 && !made) return `made at the first start, in ${folder}`
  const { signing, publicKeys } = await openKeys({
    folder,
    privateKeyFile,
    publicKeyFiles,
    keyPairId,
    secret: chance.secret,
  })
  if (!signing) return `${publicKeys.size} to verify with, none to sign`
  if (driver === 'cloudfront') checkCloudFrontKey(signing.privateKey)
  return `${signing.privateKey.asymmetricKeyType === 'ec' ? 'ECDSA P-256' : 'RSA'}, key pair ${signing.keyPairId}`
}

/** Files of secrets that anybody on this machine can read. A warning: where containers get them so, the container is the wall. */
async function examineSecrecy({ service, delivery, http, notices }: Config): Promise<Finding[]> {
  const folder = join(service.dataDir, 'keys')
  const made = await readdir(folder).catch(() => [])
  const named = [delivery.privateKeyFile, http.uploadKeyFile, http.tlsKeyFile, notices.webhooksFile]
  const files = [...made.filter((name) => !name.includes('public')).map((name) => join(folder, name)), ...named]
  const found = await Promise.all(files.map(async (file) => (file && (await isOpenToAll(file)) ? [file] : [])))
  return found.flat().map((file) => warning('secrets', `${file} can be read by anybody here.`, `chmod 600 ${file}`))
}

/** Whether those who are neither its owner nor of its group may read it. What cannot be asked is another check's matter. */
async function isOpenToAll(file: string): Promise<boolean> {
  return await stat(file).then(
    ({ mode }) => (mode & 0o004) !== 0,
    () => false,
  )
}
