import { optionalText, type Setting, type SettingsOf, text } from '../media/setting.ts'

const endpoint: Setting<string | undefined> = {
  ...optionalText('OTEL_EXPORTER_OTLP_ENDPOINT', {
    takes: 'an http(s):// address, such as `http://127.0.0.1:4318`',
    summary:
      'Where OpenTelemetry traces go, by OTLP over HTTP as JSON, to `/v1/traces` below it. Nothing is traced without it.',
  }),
  parse: (value) => {
    if (!/^https?:$/.test(new URL(value).protocol)) throw new Error('not an address')
    return value.replace(/\/$/, '')
  },
}

const headers: Setting<Record<string, string> | undefined> = {
  ...optionalText('OTEL_EXPORTER_OTLP_HEADERS', {
    takes: '`name=value`, separated by commas',
    summary: 'Headers that are sent with traces, such as a key.',
    secret: true,
  }),
  parse: (value) => {
    const pairs = value.split(',').map((pair) => /^\s*([^=\s]+)\s*=(.*)$/.exec(pair))
    if (pairs.some((pair) => !pair)) throw new Error('not headers')
    return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', decodeURIComponent(pair?.[2]?.trim() ?? '')]))
  },
}

export const tracingSettings = {
  endpoint,
  headers,
  serviceName: text('OTEL_SERVICE_NAME', {
    default: 'media-service',
    takes: 'text',
    summary: 'What traces call this service.',
  }),
}
export type TracingSettings = SettingsOf<typeof tracingSettings>
