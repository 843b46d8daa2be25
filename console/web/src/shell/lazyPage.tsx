import { lazy, type ComponentType } from 'react'

/** A page whose code is loaded when it is first seen. Its file exports it as default. */
export function page(load: () => Promise<{ default: ComponentType }>) {
  const Page = lazy(load)
  return <Page />
}
