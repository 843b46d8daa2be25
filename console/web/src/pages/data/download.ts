import { useState } from 'react'
import { useAccount } from '../../session/context'

/** Saves what the API gives as CSV. */
export function useDownload(): [(path: string, query: object, file: string) => void, boolean, unknown] {
  const { session } = useAccount()
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<unknown>(null)
  const download = async (path: string, query: object, file: string) => {
    setBusy(true)
    setFailure(null)
    try {
      const answer = await session.open({ method: 'GET', path, query, headers: { Accept: 'text/csv' } })
      const url = URL.createObjectURL(await answer.blob())
      const link = Object.assign(document.createElement('a'), { href: url, download: file })
      link.click()
      URL.revokeObjectURL(url)
    } catch (e) {
      setFailure(e)
    } finally {
      setBusy(false)
    }
  }
  return [(...args) => void download(...args), busy, failure]
}
