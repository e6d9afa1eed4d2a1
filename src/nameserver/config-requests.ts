/** What tools keep on a name server or change of it: key-value settings for everybody, and its own. */
import { REQUEST, RESPONSE, type RemotingRequest } from '../protocol/index.ts'
import { tableBody } from './answers.ts'
import { F } from './fields.ts'
import type { Reply } from './reply.ts'
import type { Handlers, ServerParts } from './server-parts.ts'
import { parseSettings, printSettings, updateSettings } from './settings.ts'

export const configRequests: Handlers = [
  [REQUEST.PUT_KV_CONFIG, putKv],
  [REQUEST.GET_KV_CONFIG, getKv],
  [REQUEST.DELETE_KV_CONFIG, deleteKv],
  [REQUEST.GET_KVLIST_BY_NAMESPACE, getKvNamespace],
  [REQUEST.UPDATE_NAMESRV_CONFIG, updateOwn],
  [REQUEST.GET_NAMESRV_CONFIG, getOwn]
]

async function putKv({ kv }: ServerParts, request: RemotingRequest, reply: Reply): Promise<void> {
  const [namespace, key, value] = [request.text(F.namespace), request.text(F.key), request.text(F.value)]
  if (namespace === undefined || key === undefined || value === undefined) {
    return reply.refuse(RESPONSE.SYSTEM_ERROR, 'namespace or key is null')
  }
  await kv.put(namespace, key, value)
  reply.ok()
}

function getKv({ kv }: ServerParts, request: RemotingRequest, reply: Reply): void {
  const [namespace, key] = [request.requiredText(F.namespace), request.requiredText(F.key)]
  const value = kv.find(namespace, key)
  if (value !== undefined) return reply.ok([[F.value, value]])
  reply.refuse(RESPONSE.QUERY_NOT_FOUND, `No config item, Namespace: ${namespace} Key: ${key}`)
}

async function deleteKv({ kv }: ServerParts, request: RemotingRequest, reply: Reply): Promise<void> {
  await kv.delete(request.requiredText(F.namespace), request.requiredText(F.key))
  reply.ok()
}

function getKvNamespace({ kv }: ServerParts, request: RemotingRequest, reply: Reply): void {
  const namespace = request.requiredText(F.namespace)
  const items = kv.namespace(namespace)
  if (items !== undefined) return reply.ok([], tableBody(items))
  reply.refuse(RESPONSE.QUERY_NOT_FOUND, `No config item, Namespace: ${namespace}`)
}

function updateOwn({ settings, log }: ServerParts, request: RemotingRequest, reply: Reply): void {
  const properties = parseSettings(new TextDecoder().decode(request.body))
  updateSettings(settings, properties)
  for (const [key, value] of properties) log.info('name server setting changed', { key, value })
  reply.ok()
}

function getOwn({ settings }: ServerParts, _request: RemotingRequest, reply: Reply): void {
  reply.ok([], new TextEncoder().encode(printSettings(settings)))
}
