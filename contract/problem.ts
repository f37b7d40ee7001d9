import { type Static, Type } from 'typebox'

/** Every refusal, as RFC 9457 `application/problem+json`. */
export const Problem = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', description: 'Where the code is documented.' }),
    title: Type.String({ description: 'What the code means.' }),
    status: Type.Integer({ minimum: 400, maximum: 599, description: 'The status of the answer, again.' }),
    detail: Type.String({ description: 'What happened this time, and what to do.' }),
    code: Type.String({ description: 'Stable; decide by this.' }),
    request_id: Type.String({ description: 'Names the request in the log.' }),
  },
  { title: 'Problem', description: 'Why a request was refused.' },
)
export type Problem = Static<typeof Problem>
