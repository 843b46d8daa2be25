import { Transport } from './transport.js'
import type { CallOptions, IntrospectionResult, TurKeyConfig } from './types.js'

const keyHeader = (config: TurKeyConfig) => ({ 'X-Turkey-Service-Key': config.serviceApiKey })

/** Asks what a token, access or refresh, is worth at this moment. Of any app: compare payload.aud. */
export async function introspectToken(token: string, config: TurKeyConfig, options?: CallOptions): Promise<IntrospectionResult> {
  const answer = await new Transport(config).send<{ data: IntrospectionResult }>({
    ...options, method: 'POST', path: '/v1/auth/introspect', body: { token }, headers: keyHeader(config),
  })
  return answer.data
}

/** Revokes a token, access or refresh. Twice is fine. */
export async function revokeToken(token: string, config: TurKeyConfig & { reason?: string }, options?: CallOptions): Promise<void> {
  await new Transport(config).send({
    ...options, method: 'POST', path: '/v1/auth/revoke', body: { token, reason: config.reason }, headers: keyHeader(config),
  })
}
