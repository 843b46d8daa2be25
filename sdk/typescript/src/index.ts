export * from './core.js'
export { TurKeyClient as default } from './client.js'
export * from './react.js'
