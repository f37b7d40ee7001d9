import type { Config } from '../../config.ts'
import type { Clock } from '../../media/clock.ts'
import { error, type Finding, ok, warning, wordsOf } from './finding.ts'

/** Seconds that clocks may differ: AWS refuses requests whose time is off by 15 minutes. */
const refusedSkew = 15 * 60
const notableSkew = 60
/** No clock that is right is before this was written; one without a battery begins in 1970. */
const written = Date.UTC(2026, 10, 1)
const mend = 'Have this machine keep its time by NTP: timedatectl set-ntp true.'

/** This machine's clock against that of an engine elsewhere, by the `Date` of any answer; alone, whether it can be right at all. */
export async function examineClock(config: Config, clock: Clock): Promise<Finding> {
  const now = clock.now()
  if (now < written) {
    const said = `it is ${new Date(now).toISOString()} here: addresses signed now would have expired, tokens not have begun`
    return error('clock', said, mend)
  }
  const asked = engineOf(config)
  if (!asked) return ok('clock', `${new Date(now).toISOString()}; no engine elsewhere to compare it with`)
  const { name, url } = asked
  try {
    const reply = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(5_000) })
    const theirs = Date.parse(reply.headers.get('date') ?? '')
    if (Number.isNaN(theirs)) {
      return warning('clock', `${name} did not say what time it is.`, 'Compare the clocks by hand.')
    }
    return judge(Math.round(((now + clock.now()) / 2 - theirs) / 1_000), name)
  } catch (cause) {
    return warning('clock', `${name} could not be asked for its time: ${wordsOf(cause)}`, 'Once it answers, ask again.')
  }
}

function judge(skew: number, name: string): Finding {
  const off = Math.abs(skew)
  const said = `${off} s ${skew < 0 ? 'behind' : 'ahead of'} ${name}`
  if (off >= refusedSkew) return error('clock', `${said}: it refuses what is signed here.`, mend)
  if (off >= notableSkew) return warning('clock', said, mend)
  return ok('clock', off <= 1 ? `as that of ${name}` : said)
}

/** The first of those that tell the time. */
function engineOf({ objects, metadata, queue }: Config): { name: string; url: string } | null {
  const usual = process.env['AWS_REGION'] ?? 'us-east-1'
  const at = (service: string, region: string | undefined) => `https://${service}.${region ?? usual}.amazonaws.com`
  if (objects.driver === 's3') return { name: 'S3', url: objects.s3Endpoint ?? at('s3', objects.s3Region) }
  if (metadata.driver === 'dynamodb') {
    return { name: 'DynamoDB', url: metadata.dynamodbEndpoint ?? at('dynamodb', metadata.dynamodbRegion) }
  }
  if (queue.driver === 'sqs') return { name: 'SQS', url: queue.sqsEndpoint ?? at('sqs', queue.sqsRegion) }
  return null
}
