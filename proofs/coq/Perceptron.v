(* A multilayer perceptron with all its parameters in one vector.

   A perceptron has din inputs and a list of widths, one for each layer; the last width is the number of
   outputs.  All parameters stand in one vector th, read from an offset off: a layer of d units on din inputs
   takes d * din weights, row by row, and then d biases, and the next layer goes on where it ends.

   - nparams din widths    is the number of parameters, outdim din widths that of the outputs;
   - affine din d off th x is one layer before its activation;
   - mlp act ...           is the network: the activation stands between the layers, not after the last;
   - mlp_outputs           are the outputs picked by sel, as a family of networks indexed by the inputs. *)
From Coq Require Import Reals Lra Lia Arith List.
From Subtheory Require Import Vectors.
Open Scope R_scope.

Fixpoint nparams (din : nat) (widths : list nat) : nat :=
  match widths with nil => 0%nat | d :: rest => (d * din + d + nparams d rest)%nat end.
Fixpoint outdim (din : nat) (widths : list nat) : nat :=
  match widths with nil => din | d :: rest => outdim d rest end.
Definition affine (din d off : nat) (th x : vec) : vec :=
  fun i => rsum din (fun j => th (off + i * din + j)%nat * x j) + th (off + d * din + i)%nat.
(* the activation stands between layers, not after the last *)
Fixpoint mlp (act : R -> R) (din : nat) (widths : list nat) (off : nat) (th x : vec) : vec :=
  match widths with
  | nil => x
  | d :: rest =>
      match rest with
      | nil => affine din d off th x
      | _ => mlp act d rest (off + (d * din + d))%nat th (fun i => act (affine din d off th x i))
      end
  end.

(* the outputs picked by sel, of a perceptron with parameters th, at input number x *)
Definition mlp_outputs (act : R -> R) (din : nat) (widths : list nat) (X : nat -> vec) (sel : nat -> nat)
  (x : nat) (th : vec) : vec := fun i => mlp act din widths 0 th (X x) (sel i).
