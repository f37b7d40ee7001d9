/**
 * Amazon's own DynamoDB Local from Maven, its tables in memory; up in a second, 150 MB. It takes any credentials, so
 * another engine's may stand in their place, and it listens on all addresses: it has no option for one.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../acceptance/ports.ts'
import { type Engine, keptFolder, runByHand, startEngine, waitUntil } from './engine.ts'

/** 3.3.1 asks for versions of the AWS SDK which Maven Central does not have. */
const version = '3.1.0'

export async function startDynamodb(): Promise<Engine> {
  return await startEngine('dynamodb', async (host) => {
    const jars = await keptFolder(`dynamodb-${version}`, async (folder) => {
      await writeFile(join(folder, 'pom.xml'), project)
      const fetch = ['-q', '-B', '-f', join(folder, 'pom.xml'), 'dependency:copy-dependencies']
      await host.run('mvn', [...fetch, `-DoutputDirectory=${folder}`], { timeoutMs: 300_000 })
    })
    const port = await freePort()
    // sqlite4java unpacks its library there.
    const temp = join(host.folder, 'temp')
    await mkdir(temp)
    const java = ['-Xmx512m', '-XX:+UseSerialGC', `-Djava.io.tmpdir=${temp}`, `-Djava.library.path=${jars}`]
    const main = ['-cp', join(jars, '*'), 'software.amazon.dynamodb.services.local.main.ServerRunner']
    const options = ['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)]
    const server = host.start('dynamodb', 'java', [...java, ...main, ...options])
    const endpoint = `http://127.0.0.1:${port}`
    // Any answer will do: an unsigned request gets a 400.
    await waitUntil('DynamoDB Local', async () => (await fetch(endpoint)).status > 0, { process: server })
    return {
      METADATA_DRIVER: 'dynamodb',
      METADATA_DYNAMODB_ENDPOINT: endpoint,
      METADATA_DYNAMODB_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'DYNAMODBLOCAL',
      AWS_SECRET_ACCESS_KEY: 'any',
    }
  })
}

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>engines</groupId>
  <artifactId>dynamodb</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>software.amazon.dynamodb</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>${version}</version>
    </dependency>
  </dependencies>
</project>
`

if (import.meta.main) await runByHand(startDynamodb)
