import { useEntrance } from './brand'

/** Whose page it is: the app's logo and name, or the house's. */
export function Brand() {
  const app = useEntrance()
  return <><img src={app?.brand.logo ?? '/console/icon.svg'} alt="" /><span className="truncate">{app?.name ?? 'TurKey'}</span></>
}
