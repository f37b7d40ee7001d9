/**
 * Apache Kafka's own broker from Maven: one node which is its own controller, its log in the engine's folder; up in 6 s,
 * 350 MB. Clients sign in by SCRAM-SHA-256.
 */
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../acceptance/ports.ts'
import { type Engine, type Host, keptFolder, runByHand, startEngine, waitForPort } from './engine.ts'

const version = '4.1.0'
const user = 'media-service'

export interface KafkaEngine extends Engine {
  /** Ends the broker as a power cut would. */
  stopBroker(): Promise<void>
  /** Starts it again, on the same port and log. */
  startBroker(): Promise<void>
}

export async function startKafka(): Promise<KafkaEngine> {
  let broker: Broker | undefined
  const engine = await startEngine('kafka', async (host) => {
    broker = await openBroker(host)
    await broker.start()
    return broker.env
  })
  if (!broker) throw new Error('no broker')
  return { ...engine, stopBroker: broker.stop, startBroker: broker.start }
}

interface Broker {
  env: Record<string, string>
  start(): Promise<void>
  stop(): Promise<void>
}

async function openBroker(host: Host): Promise<Broker> {
  const jars = await keptFolder(`kafka-${version}`, async (folder) => {
    await writeFile(join(folder, 'pom.xml'), project)
    const fetch = ['-q', '-B', '-f', join(folder, 'pom.xml'), 'dependency:copy-dependencies']
    await host.run('mvn', [...fetch, `-DoutputDirectory=${folder}`], { timeoutMs: 300_000 })
  })
  const [clients, brokers, controller] = await Promise.all([freePort(), freePort(), freePort()])
  const password = randomUUID()
  const passwordFile = join(host.folder, 'password')
  const properties = join(host.folder, 'server.properties')
  const logging = join(host.folder, 'log4j2.properties')
  await Promise.all([
    writeFile(passwordFile, password, { mode: 0o600 }),
    writeFile(properties, propertiesOf({ clients, brokers, controller, log: join(host.folder, 'log') })),
    writeFile(logging, log4j),
  ])
  const classes = ['-cp', join(jars, '*'), `-Dlog4j2.configurationFile=${logging}`]
  const java = ['-Xmx512m', '-XX:+UseSerialGC', ...classes]
  const scram = `SCRAM-SHA-256=[name=${user},password=${password}]`
  const format = ['kafka.tools.StorageTool', 'format', '--cluster-id', 'bWVkaWEtc2VydmljZS0xMg', '--config', properties]
  await host.run('java', [...java, ...format, '--add-scram', scram])
  let running: ChildProcess | undefined

  return {
    env: {
      QUEUE_DRIVER: 'kafka',
      QUEUE_KAFKA_BROKERS: `127.0.0.1:${clients}`,
      QUEUE_KAFKA_SASL: 'scram-sha-256',
      QUEUE_KAFKA_USERNAME: user,
      QUEUE_KAFKA_PASSWORD_FILE: passwordFile,
    },
    start: async () => {
      running = host.start('kafka', 'java', [...java, 'kafka.Kafka', properties])
      await waitForPort(clients, { process: running })
    },
    stop: async () => {
      const child = running
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}

interface Ports {
  clients: number
  brokers: number
  controller: number
  log: string
}

function propertiesOf({ clients, brokers, controller, log }: Ports): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
controller.listener.names=CONTROLLER
listeners=CLIENTS://127.0.0.1:${clients},BROKERS://127.0.0.1:${brokers},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=CLIENTS://127.0.0.1:${clients},BROKERS://127.0.0.1:${brokers}
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKERS
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.clients.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=${log}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
`
}

const log4j = `rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c %m%n
`

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>engines</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${version}</version>
    </dependency>
  </dependencies>
</project>
`

if (import.meta.main) await runByHand(startKafka)
