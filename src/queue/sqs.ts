import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { type Lane, lanes } from '../media/jobs.ts'
import type { Log } from '../media/log.ts'
import type { DeadLetters, Delivery, Queue } from './port.ts'
import { callSqs, makeSqsClient, type SqsAddress } from './sqs-client.ts'
import { openPoller, type Poller } from './sqs-poll.ts'
import { readWakeUp, writeWakeUp } from './wake-up.ts'

export interface SqsOptions {
  clock: Clock
  log: Log
  /** Seconds. */
  visibility?: number
}

/** What nobody has settled comes again after so many seconds; while it is held that is put off. */
const usualVisibility = 30
/** The longest that SQS waits for a message. Seconds. */
const longestPoll = 20

/**
 * Wake-ups on two standard queues of SQS, a third takes what cannot be one and jobs nobody tries again: for workers in many processes, and Lambda.
 *
 * For operators: it needs sqs:SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility and
 * GetQueueAttributes on the three queues, and whoever sets up also CreateQueue, GetQueueUrl and SetQueueAttributes. A process with nothing to
 * do asks three times a minute a lane; a job costs three requests. No order is promised, and a wake-up may come twice. A process that is killed
 * leaves what it held to others after 30 seconds. `depth` is SQS' approximation and lags by up to a minute.
 */
export function openSqsQueue(address: SqsAddress, options: SqsOptions): Queue & { deadLetters: DeadLetters } {
  const client = makeSqsClient(address)
  const closing = new AbortController()
  const held = { ...options, client, address, closing: closing.signal }
  const pollers = Object.fromEntries(lanes.map((lane) => [lane, laneOf(lane, held)])) as Record<Lane, LaneOfSqs>

  async function* receive(lane: Lane, signal: AbortSignal): AsyncGenerator<Delivery, void, undefined> {
    const stop = AbortSignal.any([signal, closing.signal])
    const { poller, deliver } = pollers[lane]
    for (;;) {
      const message = await poller.next(stop)
      if (message === null) return
      const { delivery, rest, leave } = deliver(message)
      try {
        // Nobody will settle it: another may have it now, or else after its visibility.
        if (stop.aborted) return await delivery.release().catch(() => {})
        stop.addEventListener('abort', rest, { once: true })
        yield delivery
      } finally {
        stop.removeEventListener('abort', rest)
        leave()
      }
    }
  }

  const depthOf = async (lane: Lane) => await countMessages(client, address.urls[lane])
  return {
    send: async (lane, wakeUp) => {
      if (closing.signal.aborted) throw new MediaError('unavailable', 'the queue is closed')
      const request = new SendMessageCommand({ QueueUrl: address.urls[lane], MessageBody: writeWakeUp(wakeUp) })
      await callSqs('sending a wake-up', (abortSignal) => client.send(request, { abortSignal }))
    },
    receive,
    deadLetters: { bury: async (wakeUp, reason) => await bury({ client, address }, writeWakeUp(wakeUp), reason) },
    depth: async () => {
      const counts = await Promise.all(lanes.map(async (lane) => [lane, await depthOf(lane)] as const))
      return Object.fromEntries(counts) as Record<Lane, number>
    },
    ping: async () => void (await Promise.all(lanes.map(depthOf))),
    close: async () => {
      closing.abort()
      client.destroy()
    },
  }
}

interface LaneOfSqs {
  poller: Poller<Message>
  deliver(message: Message): Delivering
}

/** A delivery at its receiver. */
interface Delivering {
  delivery: Delivery
  /** Its receiver was stopped: it may still be settled, but its visibility is no longer put off. */
  rest(): void
  /** Its receiver has gone on: it may be somebody else's from now on, and is not given back. */
  leave(): void
}

interface Held extends SqsOptions {
  client: SQSClient
  address: SqsAddress
  closing: AbortSignal
}

function laneOf(lane: Lane, { client, address, closing, clock, log, visibility = usualVisibility }: Held): LaneOfSqs {
  const QueueUrl = address.urls[lane]

  async function poll(MaxNumberOfMessages: number): Promise<Message[]> {
    const waits = { MaxNumberOfMessages, WaitTimeSeconds: longestPoll, VisibilityTimeout: visibility }
    const request = new ReceiveMessageCommand({ QueueUrl, ...waits })
    const limits = { signal: closing, limit: (longestPoll + 15) * 1_000 }
    const { Messages = [] } = await callSqs('receiving', (abortSignal) => client.send(request, { abortSignal }), limits)
    const good: Message[] = []
    for (const message of Messages) {
      if (readWakeUp(message.Body ?? '')) good.push(message)
      // One that could not be put aside comes again, and in the end SQS moves it itself.
      else await putAside(message).catch((error) => log.warn({ lane, error }, 'a message that is no wake-up stays'))
    }
    return good
  }

  async function putAside({ Body = '', MessageId, ReceiptHandle }: Message): Promise<void> {
    log.error({ lane, message: MessageId }, 'a message that is no wake-up goes to the dead letters')
    await bury({ client, address }, Body, `not a wake-up; came on the lane ${lane}`)
    await remove(ReceiptHandle)
  }

  async function remove(ReceiptHandle: string | undefined): Promise<void> {
    const request = new DeleteMessageCommand({ QueueUrl, ReceiptHandle })
    await callSqs('acknowledging', (abortSignal) => client.send(request, { abortSignal }))
  }

  async function hide(ReceiptHandle: string | undefined, VisibilityTimeout: number): Promise<void> {
    const request = new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout })
    await callSqs('changing a visibility', (abortSignal) => client.send(request, { abortSignal }))
  }

  function deliver({ Body = '', ReceiptHandle }: Message): Delivering {
    const resting = new AbortController()
    let heldUntil = clock.now() + visibility * 1_000
    let settled = false
    let gone = false

    async function keepHidden(signal: AbortSignal): Promise<void> {
      for (;;) {
        await clock.sleep((visibility * 1_000) / 2, signal)
        await hide(ReceiptHandle, visibility)
        heldUntil = clock.now() + visibility * 1_000
      }
    }

    const settle = async (how: () => Promise<void>) => {
      if (settled) return
      resting.abort()
      await how()
      settled = true
    }

    // One that cannot be kept comes again: that does no harm, since the job's lease is what counts.
    keepHidden(AbortSignal.any([resting.signal, closing])).catch((error) => {
      if (!resting.signal.aborted && !closing.aborted) log.warn({ lane, error }, 'a delivery is no longer held')
    })
    return {
      delivery: {
        wakeUp: readWakeUp(Body) ?? { job_id: '' },
        acknowledge: () => settle(() => remove(ReceiptHandle)),
        release: () =>
          settle(async () => (gone || clock.now() >= heldUntil ? undefined : await hide(ReceiptHandle, 0))),
      },
      rest: () => resting.abort(),
      leave: () => {
        gone = true
        resting.abort()
      },
    }
  }

  return { poller: openPoller({ poll, giveBack: ({ ReceiptHandle }) => hide(ReceiptHandle, 0) }), deliver }
}

async function bury({ client, address }: Pick<Held, 'client' | 'address'>, MessageBody: string, reason: string) {
  const Reason = { DataType: 'String', StringValue: reason }
  const letter = { QueueUrl: address.deadUrl, MessageBody, MessageAttributes: { Reason } }
  await callSqs('burying', (abortSignal) => client.send(new SendMessageCommand(letter), { abortSignal }))
}

async function countMessages(client: SQSClient, QueueUrl: string): Promise<number> {
  const request = new GetQueueAttributesCommand({
    QueueUrl,
    AttributeNames: [
      'ApproximateNumberOfMessages',
      'ApproximateNumberOfMessagesNotVisible',
      'ApproximateNumberOfMessagesDelayed',
    ],
  })
  const { Attributes = {} } = await callSqs('counting', (abortSignal) => client.send(request, { abortSignal }))
  return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0)
}
