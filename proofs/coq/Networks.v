(* Differentiability of multilayer perceptrons, so that the one-step theorem holds for them with no
   hypothesis left on the network.

   A perceptron is made of sums, products and an activation.  Hence, as a function of all its parameters th,
   each of its outputs is (Frechet) differentiable at th0 as soon as the activation has a derivative at every
   pre-activation that occurs at th0 (`derivable_at`): always for tanh, the logistic sigmoid, softplus, SiLU
   and the usual smooth form of GELU, and for ReLU whenever no hidden unit stands exactly at its kink. Widths,
   depth, input and th0 are arbitrary.

   The theorems called theorem_one_... are then the one-step theorem in closed form: a teacher takes a step
   down a trait loss LT, a student with the same initial parameters th0 takes a step of imitation on finitely
   many unlabelled inputs X x with weights w x >= 0, matching only the outputs picked by sel.  Either the
   student's step is always orthogonal to the teacher's, or for all small e > 0 it has a positive inner
   product with it and lowers LT.  In the last of them LT is itself the negative log-likelihood of finitely
   many labelled examples under other outputs of the same network, and nothing at all is assumed on th0. *)
From Coq Require Import Reals Lra Lia Arith List.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep Perceptron.
Open Scope R_scope.

(* --- closure of differentiability, the gradients hidden --- *)
Section Closure.
Context {k : nat} {x0 : vec}.
Implicit Types F G : vec -> R.

Lemma diff_ext F G : differentiable k F x0 -> (forall y, F y = G y) -> differentiable k G x0.
Proof. intros [A HA] E; exists A; exact (has_grad_ext k F G x0 A HA E). Qed.

Lemma diff_const c : differentiable k (fun _ => c) x0.
Proof. exists (fun _ => 0); apply has_grad_const. Qed.

Lemma diff_coord j : (j < k)%nat -> differentiable k (fun y => y j) x0.
Proof. intros Hj; exists (delta j); now apply has_grad_coord. Qed.

Lemma diff_plus F G : differentiable k F x0 -> differentiable k G x0 ->
  differentiable k (fun y => F y + G y) x0.
Proof. intros [A HA] [B HB]; eexists; exact (has_grad_plus k F G x0 A B HA HB). Qed.

Lemma diff_minus F G : differentiable k F x0 -> differentiable k G x0 ->
  differentiable k (fun y => F y - G y) x0.
Proof. intros [A HA] [B HB]; eexists; exact (has_grad_minus k F G x0 A B HA HB). Qed.

Lemma diff_scal c F : differentiable k F x0 -> differentiable k (fun y => c * F y) x0.
Proof. intros [A HA]; eexists; exact (has_grad_scal k c F x0 A HA). Qed.

Lemma diff_mult F G : differentiable k F x0 -> differentiable k G x0 ->
  differentiable k (fun y => F y * G y) x0.
Proof. intros [A HA] [B HB]; eexists; exact (has_grad_mult k F G x0 A B HA HB). Qed.

Lemma diff_div F G : differentiable k F x0 -> differentiable k G x0 -> G x0 <> 0 ->
  differentiable k (fun y => F y / G y) x0.
Proof. intros [A HA] [B HB] H0; eexists; exact (has_grad_div k F G x0 A B HA HB H0). Qed.

Lemma diff_div_const F c : differentiable k F x0 -> differentiable k (fun y => F y / c) x0.
Proof.
  intros HF; apply diff_ext with (fun y => / c * F y).
  - now apply diff_scal.
  - intros y; unfold Rdiv; apply Rmult_comm.
Qed.

Lemma diff_sum n (F : nat -> vec -> R) : (forall i, (i < n)%nat -> differentiable k (F i) x0) ->
  differentiable k (fun y => rsum n (fun i => F i y)) x0.
Proof.
  intros HF; eexists; apply (has_grad_sum k n F x0 (fun i => grad (F i) x0)).
  intros i Hi; apply grad_has, HF, Hi.
Qed.

Lemma diff_comp1 (phi : R -> R) F : ex_derive phi (F x0) -> differentiable k F x0 ->
  differentiable k (fun y => phi (F y)) x0.
Proof. intros [p Hp] [A HA]; eexists; exact (has_grad_comp1 k phi p F x0 A Hp HA). Qed.

Lemma diff_comp n (Phi : vec -> R) (F : nat -> vec -> R) : differentiable n Phi (fun i => F i x0) ->
  (forall i, (i < n)%nat -> differentiable k (F i) x0) -> differentiable k (fun y => Phi (fun i => F i y)) x0.
Proof.
  intros [P HP] HF; eexists; apply (has_grad_comp k n Phi F x0 P (fun i => grad (F i) x0) HP).
  intros i Hi; apply grad_has, HF, Hi.
Qed.

(* a layer is differentiable in its parameters and its input together *)
Lemma diff_affine din d off (X : vec -> vec) i : (off + (d * din + d) <= k)%nat -> (i < d)%nat ->
  (forall j, (j < din)%nat -> differentiable k (fun th => X th j) x0) ->
  differentiable k (fun th => affine din d off th (X th) i) x0.
Proof.
  intros Hk Hi HX; unfold affine; apply diff_plus.
  - apply (diff_sum din (fun j th => th (off + i * din + j)%nat * X th j)).
    intros j Hj; apply diff_mult.
    + apply diff_coord; nia.
    + now apply HX.
  - apply diff_coord; nia.
Qed.
End Closure.

(* --- activations --- *)
Lemma ex_derive_tanh x : ex_derive tanh x.
Proof.
  assert (Hc : (exp x + exp (- x)) / 2 <> 0).
  { generalize (exp_pos x) (exp_pos (- x)); lra. }
  apply ex_derive_ext with (fun y => (exp y - exp (- y)) / 2 / ((exp y + exp (- y)) / 2)).
  - intros y; reflexivity.
  - auto_derive; lra.
Qed.

Definition sigmoid (x : R) : R := / (1 + exp (- x)).
Lemma ex_derive_sigmoid x : ex_derive sigmoid x.
Proof. unfold sigmoid; generalize (exp_pos (- x)); intros Hp; auto_derive; lra. Qed.

Definition softplus (x : R) : R := ln (1 + exp x).
Lemma ex_derive_softplus x : ex_derive softplus x.
Proof. unfold softplus; generalize (exp_pos x); intros Hp; auto_derive; lra. Qed.

Definition silu (x : R) : R := x * sigmoid x.
Lemma ex_derive_silu x : ex_derive silu x.
Proof. apply (ex_derive_mult (fun y => y) sigmoid x); [apply ex_derive_id | apply ex_derive_sigmoid]. Qed.

(* the form of GELU by tanh: a = sqrt (2 / PI) and b = 0.044715 in practice *)
Definition gelu (a b x : R) : R := / 2 * (x * (1 + tanh (a * (x + b * (x * (x * x)))))).
Lemma ex_derive_gelu a b x : ex_derive (gelu a b) x.
Proof.
  assert (Ht : ex_derive (fun y => tanh (a * (y + b * (y * (y * y))))) x).
  { apply (ex_derive_comp tanh (fun y => a * (y + b * (y * (y * y))))).
    - apply ex_derive_tanh.
    - auto_derive; trivial. }
  assert (H1 : ex_derive (fun y => 1 + tanh (a * (y + b * (y * (y * y))))) x).
  { exact (ex_derive_plus (fun _ => 1) _ x (ex_derive_const 1 x) Ht). }
  exact (ex_derive_scal _ (/ 2) x (ex_derive_mult (fun y => y) _ x (ex_derive_id x) H1)).
Qed.

Definition relu (x : R) : R := Rmax 0 x.
Lemma ex_derive_relu x : x <> 0 -> ex_derive relu x.
Proof.
  intros Hx; destruct (Rdichotomy _ _ Hx) as [Hn | Hp].
  - apply ex_derive_ext_loc with (fun _ => 0).
    + apply (filter_imp (fun y => y < 0)).
      * intros y Hy; unfold relu; rewrite Rmax_left; lra.
      * apply (open_lt 0 x Hn).
    + apply ex_derive_const.
  - apply ex_derive_ext_loc with (fun y => y).
    + apply (filter_imp (fun y => 0 < y)).
      * intros y Hy; unfold relu; rewrite Rmax_right; lra.
      * apply (open_gt 0 x Hp).
    + apply ex_derive_id.
Qed.

(* --- perceptrons --- *)
(* every pre-activation of every hidden layer has the property P *)
Fixpoint preactivations (P : R -> Prop) (act : R -> R) (din : nat) (widths : list nat) (off : nat)
  (th x : vec) : Prop :=
  match widths with
  | nil => True
  | d :: rest =>
      match rest with
      | nil => True
      | _ => (forall i, (i < d)%nat -> P (affine din d off th x i)) /\
             preactivations P act d rest (off + (d * din + d))%nat th (fun i => act (affine din d off th x i))
      end
  end.
(* the activation has a derivative wherever the network uses it *)
Definition derivable_at (act : R -> R) := preactivations (ex_derive act) act.
(* no hidden unit stands at 0 *)
Definition off_kinks (act : R -> R) := preactivations (fun z => z <> 0) act.

Lemma preactivations_impl (P Q : R -> Prop) act : (forall z, P z -> Q z) ->
  forall widths din off th x,
  preactivations P act din widths off th x -> preactivations Q act din widths off th x.
Proof.
  intros HPQ; induction widths as [| d rest IH]; intros din off th x HP; [exact I |].
  destruct rest as [| d' rest]; [exact I |].
  destruct HP as [H1 H2]; split.
  - intros i Hi; apply HPQ, H1, Hi.
  - exact (IH d _ th _ H2).
Qed.

Lemma preactivations_all (P : R -> Prop) act : (forall z, P z) ->
  forall widths din off th x, preactivations P act din widths off th x.
Proof.
  intros HP; induction widths as [| d rest IH]; intros din off th x; [exact I |].
  destruct rest as [| d' rest]; [exact I |].
  split; [intros i _; apply HP | apply (IH d)].
Qed.

Lemma derivable_at_all act din widths off th x :
  (forall z, ex_derive act z) -> derivable_at act din widths off th x.
Proof. intros Ha; now apply preactivations_all. Qed.

(* the condition can be met for all inputs at once: weights 0 and biases 1, read from off on *)
Fixpoint biases_only (din : nat) (widths : list nat) (off : nat) : vec := fun j =>
  match widths with
  | nil => 0
  | d :: rest =>
      if (j <? off + d * din)%nat then 0
      else if (j <? off + (d * din + d))%nat then 1
      else biases_only d rest (off + (d * din + d))%nat j
  end.
Lemma off_kinks_biases_only act : forall widths din off th x,
  (forall j, (off <= j)%nat -> th j = biases_only din widths off j) -> off_kinks act din widths off th x.
Proof.
  unfold off_kinks; induction widths as [| d rest IH]; intros din off th x Hth; [exact I |].
  destruct rest as [| d' rest]; [exact I |].
  split.
  - intros i Hi; unfold affine; rewrite (rsum_zero_ext din), (Hth (off + d * din + i)%nat) by
      (try lia; intros j Hj; rewrite Hth by lia; cbn [biases_only];
       rewrite (proj2 (Nat.ltb_lt _ _)) by nia; ring).
    cbn [biases_only]; rewrite (proj2 (Nat.ltb_ge _ _)) by lia; rewrite (proj2 (Nat.ltb_lt _ _)) by lia; lra.
  - apply (IH d (off + (d * din + d))%nat); intros j Hj; rewrite Hth by lia.
    change (biases_only din (d :: d' :: rest) off j) with
      (if (j <? off + d * din)%nat then 0 else if (j <? off + (d * din + d))%nat then 1
       else biases_only d (d' :: rest) (off + (d * din + d))%nat j).
    rewrite !(proj2 (Nat.ltb_ge _ _)) by lia; reflexivity.
Qed.
Fact off_kinks_satisfiable act din widths : exists th0, forall x, off_kinks act din widths 0 th0 x.
Proof.
  exists (biases_only din widths 0); intros x; apply off_kinks_biases_only; intros j _; reflexivity.
Qed.

Lemma derivable_at_relu din widths off th x :
  off_kinks relu din widths off th x -> derivable_at relu din widths off th x.
Proof. apply preactivations_impl; exact ex_derive_relu. Qed.

(* the input may itself depend on the parameters; they are read from any offset of a longer vector *)
Lemma mlp_diff_gen k act th0 : forall widths din off (X : vec -> vec) i,
  (off + nparams din widths <= k)%nat -> (i < outdim din widths)%nat ->
  derivable_at act din widths off th0 (X th0) ->
  (forall j, (j < din)%nat -> differentiable k (fun th => X th j) th0) ->
  differentiable k (fun th => mlp act din widths off th (X th) i) th0.
Proof.
  induction widths as [| d rest IH]; intros din off X i Hk Hi Hs HX.
  - exact (HX i Hi).
  - destruct rest as [| d' rest].
    + cbn [nparams] in Hk; cbn [outdim] in Hi; apply (diff_affine din d off X i); [lia | exact Hi | exact HX].
    + destruct Hs as [H1 H2]; change (nparams din (d :: d' :: rest))
        with (d * din + d + nparams d (d' :: rest))%nat in Hk.
      apply (IH d (off + (d * din + d))%nat (fun th j => act (affine din d off th (X th) j)) i).
      * lia.
      * exact Hi.
      * exact H2.
      * intros j Hj; apply (diff_comp1 act (fun th => affine din d off th (X th) j)).
        -- exact (H1 j Hj).
        -- apply diff_affine; [lia | exact Hj | exact HX].
Qed.

(* A perceptron is differentiable in its parameters wherever no unit meets a point without derivative. *)
Theorem mlp_differentiable_off_kinks act din widths th0 x i :
  derivable_at act din widths 0 th0 x -> (i < outdim din widths)%nat ->
  differentiable (nparams din widths) (fun th => mlp act din widths 0 th x i) th0.
Proof.
  intros Hs Hi; apply (mlp_diff_gen _ act th0 widths din 0%nat (fun _ => x)).
  - apply Nat.le_refl.
  - exact Hi.
  - exact Hs.
  - intros j _; apply diff_const.
Qed.

(* With an activation that has a derivative everywhere, a perceptron is differentiable at every parameter
   vector. *)
Theorem mlp_differentiable act din widths th0 x i :
  (forall z, ex_derive act z) -> (i < outdim din widths)%nat ->
  differentiable (nparams din widths) (fun th => mlp act din widths 0 th x i) th0.
Proof. intros Ha Hi; apply mlp_differentiable_off_kinks; [now apply derivable_at_all | exact Hi]. Qed.

(* --- the one-step theorem for perceptrons --- *)
(* The one-step theorem for tanh networks and the squared error with weights b on the matched outputs (b = 1
   is the plain squared error). *)
Theorem theorem_one_tanh_mlp_wmse din widths n m (X : nat -> vec) (sel : nat -> nat) b w LT th0 eta alpha :
  let k := nparams din widths in
  let f := mlp_outputs tanh din widths X sel in
  (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  (forall i, (i < n)%nat -> 0 <= b i) -> (forall x, (x < m)%nat -> 0 <= w x) ->
  differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m (wmse n b) w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros k f Hsel Hb Hw HLT Heta Halpha.
  apply (theorem_one k n m (wmse n b) (wmse_link b) (wmse_hess b) w f th0); try assumption.
  - now apply wmse_compatible.
  - intros x i _ Hi; apply mlp_differentiable; [exact ex_derive_tanh | now apply Hsel].
Qed.

(* The one-step theorem for tanh networks and the softmax cross-entropy of the n outputs picked by sel. *)
Theorem theorem_one_tanh_mlp_masked_ce din widths n m (X : nat -> vec) (sel : nat -> nat) w LT th0 eta alpha :
  let k := nparams din widths in
  let f := mlp_outputs tanh din widths X sel in
  (0 < n)%nat -> (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  (forall x, (x < m)%nat -> 0 <= w x) ->
  differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m (cross_entropy n) w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros k f Hn Hsel Hw HLT Heta Halpha.
  apply (theorem_one k n m (cross_entropy n) (softmax n) (ce_hess n) w f th0); try assumption.
  - now apply ce_compatible.
  - intros x i _ Hi; apply mlp_differentiable; [exact ex_derive_tanh | now apply Hsel].
Qed.

(* The one-step theorem for ReLU networks and any compatible loss.  off_kinks says that no hidden unit has
   pre-activation exactly 0: true of almost every th0, false for instance at a blank input when a hidden bias
   is 0. *)
Theorem theorem_one_relu_mlp din widths n m L a H (X : nat -> vec) (sel : nat -> nat) w LT th0 eta alpha :
  let k := nparams din widths in
  let f := mlp_outputs relu din widths X sel in
  compatible n L a H ->
  (forall x, (x < m)%nat -> off_kinks relu din widths 0 th0 (X x)) ->
  (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  (forall x, (x < m)%nat -> 0 <= w x) ->
  differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m L w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros k f HL Hk Hsel Hw HLT Heta Halpha.
  apply (theorem_one k n m L a H w f th0); try assumption.
  intros x i Hx Hi; apply mlp_differentiable_off_kinks; [now apply derivable_at_relu, Hk | now apply Hsel].
Qed.

(* --- a trait loss: negative log-likelihood of labels --- *)
(* of class c under the softmax of z *)
Definition nll (n : nat) (z : vec) (c : nat) : R := ln (sumexp n z) - z c.
(* of p examples with weights q, inputs numbered by x, labels c x, network outputs g x th picked by sel *)
Definition nll_loss (n p : nat) (q : nat -> R) (g : nat -> vec -> vec) (sel c : nat -> nat) (th : vec) : R :=
  rsum p (fun x => q x * nll n (fun i => g x th (sel i)) (c x)).

Lemma nll_is_log_softmax n z c : (0 < n)%nat -> nll n z c = - ln (softmax n z c).
Proof.
  intros Hn; unfold nll, softmax; rewrite ln_div.
  - rewrite ln_exp; ring.
  - apply exp_pos.
  - now apply sumexp_pos.
Qed.

Lemma diff_sumexp k n th0 (z : nat -> vec -> R) : (forall i, (i < n)%nat -> differentiable k (z i) th0) ->
  differentiable k (fun th => sumexp n (fun i => z i th)) th0.
Proof.
  intros Hz; unfold sumexp; apply (diff_sum n (fun i th => exp (z i th))); intros i Hi.
  apply (diff_comp1 exp); [auto_derive; trivial | now apply Hz].
Qed.

Lemma nll_loss_differentiable k n p q g sel c th0 :
  (forall x, (x < p)%nat -> (c x < n)%nat) ->
  (forall x i, (x < p)%nat -> (i < n)%nat -> differentiable k (fun th => g x th (sel i)) th0) ->
  differentiable k (nll_loss n p q g sel c) th0.
Proof.
  intros Hc Hg; unfold nll_loss, nll.
  apply (diff_sum p (fun x th => q x * (ln (sumexp n (fun i => g x th (sel i))) - g x th (sel (c x))))).
  intros x Hx; apply diff_scal, diff_minus.
  - apply (diff_comp1 ln (fun th => sumexp n (fun i => g x th (sel i)))).
    + assert (Hp : 0 < sumexp n (fun i => g x th0 (sel i))).
      { apply sumexp_pos; specialize (Hc x Hx); lia. }
      eexists; exact (is_derive_ln _ Hp).
    + apply (diff_sumexp k n th0 (fun i th => g x th (sel i))); intros i Hi; now apply Hg.
  - apply Hg; [exact Hx | now apply Hc].
Qed.

(* The one-step theorem with nothing assumed but ranges and signs: a tanh network, n' class outputs picked by
   cls trained on p labelled inputs Z x with labels c x, and n auxiliary outputs picked by aux imitated on m
   unlabelled inputs X x. *)
Theorem theorem_one_tanh_mlp_closed din widths n m X aux w n' p Z cls c q th0 eta alpha :
  let k := nparams din widths in
  let f := mlp_outputs tanh din widths X aux in
  let LT := nll_loss n' p q (fun x th => mlp tanh din widths 0 th (Z x)) cls c in
  (0 < n)%nat -> (forall i, (i < n)%nat -> (aux i < outdim din widths)%nat) ->
  (forall i, (i < n')%nat -> (cls i < outdim din widths)%nat) -> (forall x, (x < p)%nat -> (c x < n')%nat) ->
  (forall x, (x < m)%nat -> 0 <= w x) -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m (cross_entropy n) w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros k f LT Hn Haux Hcls Hc Hw Heta Halpha.
  apply theorem_one_tanh_mlp_masked_ce; try assumption.
  unfold LT; apply nll_loss_differentiable; [exact Hc |].
  intros x i _ Hi; apply mlp_differentiable; [exact ex_derive_tanh | now apply Hcls].
Qed.
