import { useEffect, useState, type ComponentType } from 'react'
import { Failure, Skeleton } from '../ui/Feedback'

type Load = () => Promise<{ default: ComponentType }>

/** A page whose code is loaded when it is first seen. Its file exports it as default. */
export function page(load: Load) {
  let known: ComponentType | undefined
  function Page() {
    const [Loaded, setLoaded] = useState(() => known)
    const [error, setError] = useState<unknown>(null)
    const [tries, setTries] = useState(0)
    useEffect(() => {
      if (Loaded) return
      let gone = false
      load().then(
        (m) => {
          known = m.default
          if (!gone) setLoaded(() => m.default)
        },
        async (e: unknown) => {
          // Some browsers keep a failure for good, and a newer version has other files: what helps then is a fresh page.
          if (tries > 0 && (await reachable())) location.reload()
          else if (!gone) setError(e)
        },
      )
      return () => void (gone = true)
    }, [Loaded, tries])
    if (Loaded) return <Loaded />
    const again = () => {
      setError(null)
      setTries(tries + 1)
    }
    return <div className="page">{error ? <Failure error={error} retry={again} /> : <Skeleton lines={6} />}</div>
  }
  return <Page />
}

const reachable = () => fetch('/livez').then((r) => r.ok, () => false)
