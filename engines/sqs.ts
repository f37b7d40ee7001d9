/**
 * ElasticMQ from Maven: a queue server that speaks SQS' JSON protocol, in memory; up in three seconds, 200 MB. It is not
 * Amazon's: it takes any credentials, knows no encryption at rest, and counts exactly where SQS counts roughly.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../acceptance/ports.ts'
import { type Engine, keptFolder, runByHand, startEngine, waitUntil } from './engine.ts'

const version = '1.6.12'

export async function startSqs(): Promise<Engine> {
  return await startEngine('sqs', async (host) => {
    const jars = await keptFolder(`sqs-${version}`, async (folder) => {
      await writeFile(join(folder, 'pom.xml'), project)
      const fetch = ['-q', '-B', '-f', join(folder, 'pom.xml'), 'dependency:copy-dependencies']
      await host.run('mvn', [...fetch, `-DoutputDirectory=${folder}`], { timeoutMs: 300_000 })
    })
    const port = await freePort()
    const conf = join(host.folder, 'sqs.conf')
    await writeFile(conf, configuration(port))
    const temp = join(host.folder, 'temp')
    await mkdir(temp)
    const java = ['-Xmx256m', '-XX:+UseSerialGC', `-Djava.io.tmpdir=${temp}`, `-Dconfig.file=${conf}`]
    const server = host.start('sqs', 'java', [...java, '-cp', join(jars, '*'), 'org.elasticmq.server.Main'])
    const endpoint = `http://127.0.0.1:${port}`
    // Any answer will do.
    await waitUntil('ElasticMQ', async () => (await fetch(`${endpoint}/health`)).status > 0, { process: server })
    return {
      QUEUE_DRIVER: 'sqs',
      QUEUE_SQS_ENDPOINT: endpoint,
      QUEUE_SQS_REGION: 'us-east-1',
      QUEUE_SQS_URL: `${endpoint}/000000000000/media-tasks`,
      QUEUE_SQS_LONG_URL: `${endpoint}/000000000000/media-tasks-long`,
      QUEUE_SQS_DEAD_URL: `${endpoint}/000000000000/media-dead-letters`,
      AWS_ACCESS_KEY_ID: 'elasticmq',
      AWS_SECRET_ACCESS_KEY: 'any',
    }
  })
}

function configuration(port: number): string {
  return `include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = ${port}, context-path = "" }
rest-sqs { enabled = true, bind-port = ${port}, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
aws { region = us-east-1, accountId = "000000000000" }
`
}

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>engines</groupId>
  <artifactId>sqs</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.elasticmq</groupId>
      <artifactId>elasticmq-server_2.13</artifactId>
      <version>${version}</version>
    </dependency>
  </dependencies>
</project>
`

if (import.meta.main) await runByHand(startSqs)
