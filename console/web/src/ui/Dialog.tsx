import type { ReactNode } from 'react'
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from './Button'
import { Failure } from './Feedback'
import { TextField } from './Field'

interface DialogProps {
  title: string
  isOpen: boolean
  onClose: () => void
  wide?: boolean
  children: ReactNode
}

export function Dialog({ title, isOpen, onClose, wide = false, children }: DialogProps) {
  return (
    <ModalOverlay className="overlay" isDismissable isOpen={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Modal className={`dialog-box${wide ? ' wide' : ''}`}>
        <AriaDialog className="dialog">
          <Heading slot="title" level={2}>{title}</Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  )
}

interface ConfirmProps {
  title: string
  /** What will happen, in full. */
  children: ReactNode
  /** The verb on the button: "Delete credential". */
  action: string
  danger?: boolean
  /** A word that has to be typed first, for what cannot be taken back. */
  typed?: string
  isOpen: boolean
  onClose: () => void
  /** The dialog stays open and shows the error if this fails. */
  onConfirm: () => Promise<unknown>
}

/** Asks before an act, says what it does, and stays until it is done. */
export function Confirm({ title, children, action, danger = false, typed, isOpen, onClose, onConfirm }: ConfirmProps) {
  const { t } = useTranslation()
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<unknown>(null)
  const [word, setWord] = useState('')
  const close = () => {
    setFailure(null)
    setWord('')
    onClose()
  }
  const confirm = async () => {
    setBusy(true)
    setFailure(null)
    try {
      await onConfirm()
      close()
    } catch (e) {
      setFailure(e)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog title={title} isOpen={isOpen} onClose={close}>
      <div className="stack-tight">{children}</div>
      {typed && <TextField label={t('typeToConfirm', { word: typed })} value={word} onChange={setWord} autoComplete="off" />}
      {failure !== null && <Failure error={failure} />}
      <footer>
        <Button onPress={close}>{t('cancel')}</Button>
        <Button look={danger ? 'danger primary' : 'primary'} busy={busy} isDisabled={Boolean(typed) && word !== typed} onPress={confirm}>{action}</Button>
      </footer>
    </Dialog>
  )
}
