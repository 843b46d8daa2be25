import { useQueryClient, type QueryKey } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { toast } from './toast'
import { Confirm } from './Dialog'

export interface Question {
  title: string
  text: string
  action: string
  danger?: boolean
  typed?: string
  run: () => Promise<unknown>
  /** Said when it is done. */
  done: string
  /** Done once it has been said. */
  then?: () => void
}

/** Asks one question at a time; afterwards what `stale` names is read anew. */
export function useAsk(stale: QueryKey): [ReactNode, (q: Question) => void] {
  const [question, setQuestion] = useState<Question | null>(null)
  const queries = useQueryClient()
  const confirm = async () => {
    if (!question) return
    await question.run()
    toast(question.done)
    await queries.invalidateQueries({ queryKey: stale })
    question.then?.()
  }
  const dialog = (
    <Confirm title={question?.title ?? ''} action={question?.action ?? ''} danger={question?.danger ?? false} {...(question?.typed ? { typed: question.typed } : {})}
      isOpen={question !== null} onClose={() => setQuestion(null)} onConfirm={confirm}>
      <p>{question?.text}</p>
    </Confirm>
  )
  return [dialog, setQuestion]
}
